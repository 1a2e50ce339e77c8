// The tables of the ledger and of its columns, as SQL.  docs/ledger.md says what each holds.

#pragma once

namespace segue {

// Since format 5 parts of the index of keys and blocks of customers' keys have check sums: an older
// file is refused by this text, which is compared with the one that made the file.
inline constexpr const char* kLedgerTables = R"sql(
-- blobs of format 5
CREATE TABLE ledger_kind(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
CREATE TABLE ledger_field(kind INTEGER NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL, type INTEGER NOT NULL,
  PRIMARY KEY(kind, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_recipe(kind INTEGER NOT NULL, id INTEGER NOT NULL, parts BLOB NOT NULL,
  PRIMARY KEY(kind, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_trait_name(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type INTEGER NOT NULL) STRICT;

CREATE TABLE ledger_customer(id INTEGER PRIMARY KEY, key TEXT) STRICT;
CREATE TABLE ledger_customer_block(first INTEGER PRIMARY KEY, keys BLOB NOT NULL) STRICT;
CREATE TABLE ledger_merged(customer INTEGER PRIMARY KEY, survivor INTEGER NOT NULL) STRICT;
CREATE TABLE ledger_erased(hash TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_trait(customer INTEGER NOT NULL, trait INTEGER NOT NULL, value ANY, since INTEGER NOT NULL,
  newest INTEGER NOT NULL, sequence INTEGER NOT NULL, source TEXT NOT NULL,
  PRIMARY KEY(customer, trait)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_waiting_trait(sequence INTEGER PRIMARY KEY, time INTEGER NOT NULL, customer INTEGER NOT NULL,
  trait INTEGER NOT NULL, value ANY, source TEXT NOT NULL) STRICT;

CREATE TABLE ledger_journal(sequence INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;
CREATE TABLE ledger_chunk(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, day INTEGER NOT NULL,
  meta BLOB NOT NULL) STRICT;
CREATE TABLE ledger_block(chunk INTEGER NOT NULL, block INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY(chunk, block)) STRICT;
CREATE TABLE ledger_dead(chunk INTEGER NOT NULL, sequence INTEGER NOT NULL, erased INTEGER NOT NULL,
  PRIMARY KEY(chunk, sequence)) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_key_run(run INTEGER NOT NULL, part INTEGER NOT NULL, of INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY(run, part)) STRICT;

CREATE TABLE ledger_orphan(sequence INTEGER PRIMARY KEY, kind INTEGER NOT NULL, customer INTEGER NOT NULL,
  time INTEGER NOT NULL) STRICT;
CREATE TABLE ledger_waiting_refund(sequence INTEGER PRIMARY KEY, kind INTEGER NOT NULL, time INTEGER NOT NULL) STRICT;

CREATE TABLE ledger_touch(sequence INTEGER NOT NULL, customer INTEGER NOT NULL, code INTEGER NOT NULL,
  time INTEGER NOT NULL, flags INTEGER NOT NULL, PRIMARY KEY(sequence, customer, code)) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_touch_time ON ledger_touch(time);
CREATE INDEX ledger_touch_customer ON ledger_touch(customer);

CREATE TABLE ledger_position(one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL,
  touches_from INTEGER NOT NULL) STRICT;
INSERT INTO ledger_position VALUES (1, 0, 0);

CREATE TABLE column_snapshot(id INTEGER PRIMARY KEY, canonical TEXT NOT NULL, sequence INTEGER NOT NULL,
  edge INTEGER NOT NULL) STRICT;
CREATE TABLE column_part(snapshot INTEGER NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY(snapshot, part)) STRICT;
)sql";

}  // namespace segue
