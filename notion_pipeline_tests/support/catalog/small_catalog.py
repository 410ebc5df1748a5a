"""A small catalog that holds one of everything that a user can declare, and what catalogs are compared by."""

from __future__ import annotations

from typing import Any

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.dialect import FILE
from notion_pipeline.catalog.migrate.contents import contents
from notion_pipeline.catalog.migrate.fingerprint import fingerprint

SMALL = """
CREATE SCHEMA notion; CREATE SCHEMA notion_views; CREATE SCHEMA _notion_pipeline; CREATE SCHEMA mine;
CREATE TABLE notion.parents (id INTEGER PRIMARY KEY, name VARCHAR UNIQUE CHECK (length(name) > 0));
CREATE TABLE notion.children (
    id INTEGER REFERENCES notion.parents(id), next INTEGER GENERATED ALWAYS AS (id + 1), mood ENUM('a', 'b'),
    either UNION(i INTEGER, s VARCHAR), vector FLOAT[2], five INTEGER DEFAULT 5 NOT NULL, list VARCHAR[] DEFAULT [],
    large HUGEINT, "a ""b" STRUCT("x y" ENUM('q')[])
);
INSERT INTO notion.parents VALUES (1, 'x'), (2, NULL);
INSERT INTO notion.children VALUES (1, 'a', 3, [1, 2], 1, [], 170141183460469231731687303715884105727, {'x y': ['q']}),
    (2, NULL, 'x'::VARCHAR, NULL, 5, NULL, NULL, NULL);
CREATE INDEX by_mood ON notion.children (five);
COMMENT ON TABLE notion.parents IS 'it''s'; COMMENT ON COLUMN notion.parents.name IS 'the name';
CREATE VIEW notion_views.z AS SELECT * FROM notion.parents;
COMMENT ON VIEW notion_views.z IS 'a view'; COMMENT ON COLUMN notion_views.z.id IS 'its id';
CREATE VIEW notion_views.a(first) AS SELECT t.id FROM notion_views.z t;
CREATE TABLE mine.gone (id INTEGER); CREATE VIEW mine.broken AS SELECT id FROM mine.gone; DROP TABLE mine.gone;
CREATE MACRO mine.twice(a) AS a * 2;
CREATE TABLE _notion_pipeline.all_streams (source VARCHAR);
INSERT INTO _notion_pipeline.all_streams VALUES ('notion');
CREATE VIEW _notion_pipeline.streams AS SELECT * FROM _notion_pipeline.all_streams;
"""


def everything(catalog: Catalog) -> dict[str, Any]:
    """Fingerprint, columns and comments of each table, and the views."""
    with catalog.reading() as connection:
        assert connection is not None
        found = contents(connection, FILE)
        tables = {
            str(table): (
                fingerprint(connection, table.name),
                [(column.name, column.kind, column.comment) for column in table.columns],
                table.comment,
            )
            for table in found.tables
        }
        return tables | {str(view): view.comment for view in found.views}
