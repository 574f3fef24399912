"""Rows → contacts, or the reason why a row cannot be one."""
