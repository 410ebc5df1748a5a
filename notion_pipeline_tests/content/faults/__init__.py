"""Reads of content under faults, kills and random edits: in the end the catalog equals Notion."""
