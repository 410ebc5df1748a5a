// Reads a workspace with the official SDK and writes what it holds to standard output, as one JSON object:
// node read_everything.cjs PACKAGE PAGES_IN_DETAIL, with NOTION_TOKEN, NOTION_API_URL and NOTION_VERSION set.
"use strict";
const [, , folder, pagesInDetail] = process.argv;
const { Client, collectPaginatedAPI } = require(folder);
const { NOTION_TOKEN, NOTION_API_URL, NOTION_VERSION } = process.env;

async function items(notion, page_id, property_id) {
  const given = { page_id, property_id };
  const first = await notion.pages.properties.retrieve(given);
  if (first.object !== "list") return { [first.type]: first[first.type] };
  const results = [];
  let answer = first;
  for (;;) {
    results.push(...answer.results.map((item) => ({ type: item.type, [item.type]: item[item.type] })));
    if (!answer.has_more) return { results, last: answer.property_item };
    answer = await notion.pages.properties.retrieve({ ...given, start_cursor: answer.next_cursor });
  }
}

async function main() {
  const notion = new Client({ auth: NOTION_TOKEN, baseUrl: NOTION_API_URL, notionVersion: NOTION_VERSION });
  const found = { me: await notion.users.me({}), users: {}, sources: {}, items: {}, comments: {} };
  for (const user of await collectPaginatedAPI(notion.users.list, {})) {
    found.users[user.id] = await notion.users.retrieve({ user_id: user.id });
  }
  const filter = { property: "object", value: "data_source" };
  for (const source of await collectPaginatedAPI(notion.search, { filter })) {
    const data_source_id = source.id;
    const schema = await notion.dataSources.retrieve({ data_source_id });
    const results = await collectPaginatedAPI(notion.dataSources.query, { data_source_id });
    const rows = results.filter((row) => row.object === "page"); // a wiki's rows are data sources as well
    found.sources[data_source_id] = { schema, rows };
    for (const row of rows.slice(0, Number(pagesInDetail))) {
      found.comments[row.id] = await collectPaginatedAPI(notion.comments.list, { block_id: row.id });
      found.items[row.id] = {};
      for (const [name, value] of Object.entries(row.properties)) {
        found.items[row.id][name] = await items(notion, row.id, value.id);
      }
    }
  }
  process.stdout.write(JSON.stringify(found));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
