"""Opens a snapshot for a run: puts its sign, and works out what the list may hold."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack

import msgspec

from airflow_provider_octopush.snapshot.found import Reader, find
from airflow_provider_octopush.snapshot.journal import Run, Try, begin_try, entries_of
from airflow_provider_octopush.snapshot.other_runs import OtherRuns
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot import Snapshot
from airflow_provider_octopush.snapshot.snapshot_file import Header, Identity, read_header
from airflow_provider_octopush.snapshot.snapshot_store import SnapshotStore

log = logging.getLogger(__name__)

#: Seconds that a run waits if it finds that another one is at work or was killed. By then, a run that is alive has
#: looked, and has ended (:mod:`~airflow_provider_octopush.snapshot.other_runs`).
WAITED_FOR = 10.0


def open_snapshot(
    store: SnapshotStore, keys: Sequence[Keys], identity: Identity, run: Run, *, writes: bool = True
) -> Snapshot:
    """
    Open a snapshot with everything that runs have recorded beside it, and write a sign there that a run has begun.

    :param store: the store that keeps it.
    :param keys: the keys of all secrets; those of the first one write.
    :param identity: the account, list and task that it must belong to; a None is taken from the snapshot.
    :param run: the current run.
    :param writes: False leaves the store as it is.
    :raises SnapshotError: one of its subclasses, when it cannot be relied on.
    """
    names_of_run = run.names(keys)
    with ExitStack() as resources:
        own = begin_try(store, keys[0], erases=run.erases, writes=writes)
        resources.callback(own.close)
        header = Header(
            secret=keys[0].name,
            try_name=own.name,
            run=names_of_run[0],
            dag_run=keys[0].digest_text(run.dag_run.encode()) if run.dag_run else "",
            map_index=run.map_index,
        )
        if None not in identity:
            # First of all, so that at least one of two runs sees the other.
            header = _about(identity, header, keys[0])
            own.put(header)
            if not run.erases and _others_are_unfinished(store, own):
                log.info("another run is using %s, or was killed: waiting until it must have ended", store.name)
                time.sleep(WAITED_FOR if writes else 0)

        reader = Reader(store, keys, identity, run, resources)
        found = find(reader, own.name, names_of_run)
        found.check(run)
        records = reader.put_together(found.layers())
        records.index()
        reading, reads_differently = found.reading(run)
        progress = found.progress(records.count)
        header = found.with_what_is_known(header, reading)
        if None in identity and None not in reader.identity:
            header = _about(reader.identity, header, keys[0])
            own.put(header)
        is_outdated = found.base is None or found.base.keys > 0 or found.last.reading != reading
        return Snapshot(
            store=store,
            keys=keys,
            run=run,
            own=own,
            identity=reader.identity,
            other_runs=OtherRuns(store, own, found.last.try_name, found.others, run.erases),
            first_run=found.base is None,
            header=header,
            others=found.others,
            unfinished=found.unfinished,
            records=records,
            progress=msgspec.structs.replace(progress, records=0),
            is_blank=found.is_blank,
            is_outdated=is_outdated or found.was_restored or bool(found.tries) or reads_differently,
            reads_differently=reads_differently,
            generation_before=found.generation - found.was_written_by_this_run,
            size_for_limits=progress.before
            if found.base is None or found.was_written_by_this_run
            else min(progress.before, found.base.records.count),
            spool=reader.spool(),
            resources=resources.pop_all(),
        )


def _others_are_unfinished(store: SnapshotStore, own: Try) -> bool:
    content = store.fetch_beginning()
    included = {} if content is None else read_header(content, store.name).included
    others = entries_of(store.entries())
    return any(max(of_try) > included.get(name, -1) for name, of_try in others.items() if name != own.name)


def _about(identity: Identity, header: Header, keys: Keys) -> Header:
    return msgspec.structs.replace(header, identity=keys.seal_text(msgspec.json.encode(identity)))
