"""An S3 for tests: moto's server, which is nobody's mock of ours, behind an Airflow connection."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

CONNECTION = "object_storage"
BUCKET = "octopush-tests"


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Run the server for all tests."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of a bucket with nothing in it, such as ``s3://object_storage@octopush-tests``."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(connection(s3_endpoint)))
    make_bucket(s3_endpoint, BUCKET)
    return f"s3://{CONNECTION}@{BUCKET}"


def make_bucket(endpoint: str, name: str) -> None:
    """Make a bucket with nothing in it."""
    import boto3

    client = boto3.resource(
        "s3", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-west-3"
    )
    bucket = client.Bucket(name)
    if bucket.creation_date is None:
        bucket.create(CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    bucket.objects.all().delete()


def connection(endpoint: str) -> dict[str, object]:
    """Return the fields of an Airflow connection to it."""
    return {
        "conn_type": "aws",
        "login": "test",
        "password": "test",
        "extra": {"endpoint_url": endpoint, "region_name": "eu-west-3"},
    }
