// DuckDB does the benchmark's job: node duckdb.mjs FOLDER text|numbers PASSES
//
// FOLDER holds orders.csv and day.csv; the database, and the changed customers as duckdb.csv, are put there.
// Prints one line of JSON: milliseconds by the clock and (_cpu) of processor time, bytes, and the peak of memory.

import { DuckDBInstance } from '@duckdb/node-api';
import fs from 'node:fs';

const [folder, ids, passes] = process.argv.slice(2);
const id = ids === 'text' ? 'VARCHAR' : 'BIGINT';
const path = `${folder}/duckdb.db`;
for (const file of [path, `${path}.wal`]) fs.rmSync(file, { force: true });
const instance = await DuckDBInstance.create(path, { threads: '2' });
const db = await instance.connect();
const result = {};

async function timed(name, work) {
  const begin = process.hrtime.bigint();
  const before = process.cpuUsage();
  await work();
  const took = Number(process.hrtime.bigint() - begin) / 1e6;
  const used = process.cpuUsage(before);  // Of all threads.
  (result[name] ??= []).push(+took.toFixed(1));
  (result[`${name}_cpu`] ??= []).push(Math.round((used.user + used.system) / 1e3));
}

const csv = (name) => `read_csv('${folder}/${name}.csv', header = true, columns = {'order_id': '${id}',
  'customer_id': '${id}', 'time': 'TIMESTAMP', 'amount': 'DECIMAL(12,2)'})`;
const fromOrders = (asOf) => `SELECT customer_id, datesub('day', max(time), TIMESTAMP '${asOf}') recency, count(*) frequency,
  sum(amount) money FROM orders GROUP BY customer_id`;
const fromAggregate = (asOf) => `SELECT customer_id, datesub('day', latest, TIMESTAMP '${asOf}') recency, frequency, money
  FROM customers`;
// The same rules as workspace/rules/rfm.yaml; 6 - ntile because the smallest recency is the best.
const segments = (people) => `WITH people AS (${people}), scores AS (SELECT customer_id,
    6 - ntile(5) OVER (ORDER BY recency, customer_id) r, ntile(5) OVER (ORDER BY frequency, customer_id) f,
    ntile(5) OVER (ORDER BY money, customer_id) m FROM people), grid AS (SELECT customer_id, r, (f + m + 1) // 2 fm FROM scores)
  SELECT customer_id, CASE WHEN r >= 4 AND fm = 5 OR r = 5 AND fm = 4 THEN 'champions'
    WHEN r = 4 AND fm = 4 OR r = 3 AND fm >= 4 THEN 'loyal' WHEN r >= 4 AND fm BETWEEN 2 AND 3 THEN 'potential_loyalist'
    WHEN r = 5 THEN 'new' WHEN r = 4 THEN 'promising' WHEN r = 3 AND fm = 3 THEN 'need_attention' WHEN r = 3 THEN 'about_to_sleep'
    WHEN fm = 5 THEN 'cant_lose' WHEN fm >= 3 THEN 'at_risk' WHEN r = 1 AND fm = 1 THEN 'lost' ELSE 'hibernating' END segment
  FROM grid`;
const [before, after] = ['2025-01-01 00:00:00', '2025-01-02 00:00:00'];

await timed('load', async () => {
  await db.run(`CREATE TABLE orders AS SELECT * FROM ${csv('orders')}`);
  await db.run('CHECKPOINT');
});
await timed('first', () => db.run(`CREATE TABLE segment AS ${segments(fromOrders(before))}`));
await db.run('CHECKPOINT');
result.bytes = fs.statSync(path).size;
for (let i = 0; i < passes; ++i) {
  await timed('recompute', () => db.run(`CREATE OR REPLACE TABLE pass AS ${segments(fromOrders(before))}`));
}
await db.run(`CREATE TABLE customers AS SELECT customer_id, max(time) latest, count(*) frequency,
  sum(amount)::DECIMAL(14,2) money FROM orders GROUP BY customer_id`);
await db.run('CHECKPOINT');
for (let i = 0; i < passes; ++i) {
  await timed('recompute_aggregate', () => db.run(`CREATE OR REPLACE TABLE pass AS ${segments(fromAggregate(before))}`));
}
await db.run('DROP TABLE pass');
await timed('day', async () => {
  await timed('day_insert', () => db.run(`INSERT INTO orders SELECT * FROM ${csv('day')}`));
  await timed('day_recompute', () => db.run(`CREATE TABLE segment_after AS ${segments(fromOrders(after))}`));
  await timed('day_changes', () => db.run(`CREATE TABLE changed AS SELECT n.customer_id, coalesce(o.segment, '') AS old, n.segment AS new
    FROM segment_after n LEFT JOIN segment o USING (customer_id) WHERE o.segment IS DISTINCT FROM n.segment`));
});
await db.run(`COPY (SELECT customer_id, nullif(old, '') AS old, new FROM changed ORDER BY customer_id::VARCHAR) TO '${folder}/duckdb.csv' (HEADER)`);
result.peak_mb = Math.round(process.resourceUsage().maxRSS / 1024);
db.closeSync();
console.log(JSON.stringify(result));
