"""Hands DuckDB the secrets of a lake, which come from the environment: PGPASSWORD, and AWS_… for a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import duckdb

from notion_pipeline.catalog.sql import text
from notion_pipeline.config.fields.catalog_location import S3, Lake
from notion_pipeline.redaction import keep_secret


def set_secrets(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Makes the secrets that ATTACH and the reading of files look for; they live in this DuckDB's memory alone."""
    environ = lake.environ
    if lake.file is None and (password := environ.get("PGPASSWORD", "")):
        keep_secret(password)
        connection.execute(f"CREATE OR REPLACE SECRET (TYPE postgres, PASSWORD {text(password)})")
    if lake.data_path.lower().startswith(S3):
        connection.execute(f"CREATE OR REPLACE SECRET (TYPE s3, {', '.join(_bucket(environ))})")


def _bucket(environ: Mapping[str, str]) -> list[str]:
    key, secret = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", "")
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    options = [f"REGION {text(region)}"]
    if key and secret:
        keep_secret(secret)
        options += [f"KEY_ID {text(key)}", f"SECRET {text(secret)}"]
    if token := environ.get("AWS_SESSION_TOKEN", ""):
        keep_secret(token)
        options.append(f"SESSION_TOKEN {text(token)}")
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or ""
    if endpoint:
        parts = urlsplit(endpoint)
        is_plain = parts.scheme == "http"
        options += [f"ENDPOINT {text(parts.netloc)}", "URL_STYLE 'path'", f"USE_SSL {str(not is_plain).lower()}"]
    return options
