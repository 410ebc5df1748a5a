"""`python -m notion_pipeline.cli`, where the console script is not at hand."""

from notion_pipeline.cli import main

main(prog_name="notion-pipeline")
