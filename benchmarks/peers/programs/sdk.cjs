// Writes every data source's rows to standard output by a helper of the official SDK: node sdk.cjs PACKAGE HELPER.
"use strict";
const { once } = require("node:events");
const [, , folder, helper] = process.argv;
const sdk = require(folder);

async function main() {
  const notion = new sdk.Client({ auth: process.env.NOTION_TOKEN, baseUrl: process.env.NOTION_API_URL });
  const filter = { property: "object", value: "data_source" };
  for (const source of await sdk.collectPaginatedAPI(notion.search, { filter })) {
    const given = { data_source_id: source.id };
    const rows =
      helper === "iteratePaginatedAPI"
        ? sdk.iteratePaginatedAPI(notion.dataSources.query, given)
        : sdk[helper](notion, given);
    for await (const row of rows) {
      if (!process.stdout.write(JSON.stringify(row) + "\n")) await once(process.stdout, "drain");
    }
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
