// Tests of the SQLite file: settings, tables of folders, nesting, crashes at a commit.

#include "store/database.h"

#include <filesystem>
#include <stdexcept>

#include <doctest/doctest.h>

#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr const char* kNote =
    "CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT, bytes BLOB) STRICT";

std::int64_t Count(Database& db) {
  Statement count = db.Prepare("SELECT count(*) FROM note");
  REQUIRE(count.Step());
  return count.Int(0);
}

void Add(Database& db, std::string_view text) {
  db.Prepare("INSERT INTO note(text) VALUES (?)").Bind(1, text).Run();
}

TEST_CASE("store: a file is opened with WAL, full syncs and foreign keys") {
  TempDir dir;
  Database db = Database::Open(dir / "state.db");
  const auto pragma = [&](std::string_view name) {
    Statement ask = db.Prepare("PRAGMA " + std::string(name));
    REQUIRE(ask.Step());
    return ask.Text(0);
  };
  CHECK(pragma("journal_mode") == "wal");
  CHECK(pragma("synchronous") == "2");
  CHECK(pragma("foreign_keys") == "1");
  CHECK(pragma("busy_timeout") == "60000");
}

TEST_CASE("store: values come back as they were bound, also empty ones and zero bytes") {
  Database db = Database::Open(":memory:");
  db.Ensure("note", kNote);
  const std::string zeros("a\0b", 3);
  db.Prepare("INSERT INTO note(text, bytes) VALUES (?, ?)").Bind(1, "").BindBlob(2, zeros).Run();
  db.Prepare("INSERT INTO note(text, bytes) VALUES (?, ?)").BindNull(1).BindBlob(2, "").Run();
  CHECK(db.LastRowId() == 2);
  CHECK(db.Changes() == 1);
  Statement all = db.Prepare("SELECT text, bytes FROM note ORDER BY id");
  REQUIRE(all.Step());
  CHECK(all.Text(0).empty());
  CHECK_FALSE(all.IsNull(0));
  CHECK(all.Blob(1) == zeros);
  REQUIRE(all.Step());
  CHECK(all.IsNull(0));
  CHECK_FALSE(all.IsNull(1));
  CHECK(all.BlobView(1).empty());
  CHECK_FALSE(all.Step());
  CHECK(all.Step());  // Ready for the next use.
}

TEST_CASE("store: one text can be used twice at the same time, and comes back clean") {
  Database db = Database::Open(":memory:");
  db.Ensure("note", kNote);
  Add(db, "a");
  Add(db, "b");
  int pairs = 0;
  Statement outer = db.Prepare("SELECT text FROM note WHERE text >= ?");
  outer.Bind(1, "a");
  while (outer.Step()) {
    Statement inner = db.Prepare("SELECT text FROM note WHERE text >= ?");
    inner.Bind(1, "a");
    while (inner.Step()) {
      ++pairs;
    }
  }
  CHECK(pairs == 4);
  { Statement left = db.Prepare("SELECT text FROM note WHERE text >= ?"); }
  Statement unbound = db.Prepare("SELECT text FROM note WHERE text >= ?");
  CHECK_FALSE(unbound.Step());  // NULL: the old binding is gone.
}

TEST_CASE("store: an inner transaction that is not committed takes only its own work back") {
  Database db = Database::Open(":memory:");
  db.Ensure("note", kNote);
  {
    Transaction outer(db);
    Add(db, "kept");
    {
      Transaction inner(db);
      Add(db, "lost");
      {
        Transaction innermost(db);
        Add(db, "lost too");
        innermost.Commit();
      }
    }
    {
      Transaction inner(db);
      Add(db, "kept as well");
      inner.Commit();
    }
    CHECK(db.in_transaction());
    outer.Commit();
  }
  CHECK_FALSE(db.in_transaction());
  CHECK(Count(db) == 2);
  {
    Transaction forgotten(db);
    Add(db, "lost");
  }
  CHECK(Count(db) == 2);
}

TEST_CASE("store: who finds the file held by another process is told so, and finds it free later") {
  TempDir dir;
  Database one = Database::Open(dir / "state.db");
  Database other = Database::Open(dir / "state.db");
  one.Execute("PRAGMA busy_timeout = 0");
  CHECK(one.IsFree(Duration::zero()));
  {
    const Transaction held(other);
    CHECK_FALSE(one.IsFree(Duration::zero()));
    one.Execute("PRAGMA busy_timeout = 0");
    CHECK_THROWS_AS(one.Execute("BEGIN IMMEDIATE"), DatabaseBusy);
    CHECK_FALSE(one.in_transaction());
  }
  CHECK(one.IsFree(Duration::zero()));
  CHECK_FALSE(one.in_transaction());
  Statement ask = one.Prepare("PRAGMA busy_timeout");
  REQUIRE(ask.Step());
  CHECK(ask.Int(0) == 60'000);  // As it was.
}

TEST_CASE("store: a crash before the commit loses the work, one right after it does not") {
  TempDir dir;
  for (const bool after : {false, true}) {
    const std::string path = dir / (after ? "after.db" : "before.db");
    {
      Database db = Database::Open(path);
      db.Ensure("note", kNote);
      db.OnCommit([&](bool is_after) {
        if (is_after == after) {
          throw std::runtime_error("crash");
        }
      });
      Transaction work(db);
      Add(db, "a");
      CHECK_THROWS_WITH(work.Commit(), "crash");
    }
    Database db = Database::Open(path);
    CHECK(Count(db) == (after ? 1 : 0));
  }
}

TEST_CASE("store: settings last, and the later value wins") {
  TempDir dir;
  {
    Database db = Database::Open(dir / "state.db");
    CHECK_FALSE(db.GetSetting("a"));
    db.SetSetting("a", "1");
    db.SetSetting("a", "2");
  }
  Database db = Database::Open(dir / "state.db", Database::Mode::kReadOnly);
  CHECK(db.GetSetting("a") == "2");
  CHECK_THROWS_AS(db.SetSetting("a", "3"), std::runtime_error);
}

TEST_CASE("store: tables of a folder are made once, and another definition is refused") {
  TempDir dir;
  Database db = Database::Open(dir / "state.db");
  db.Ensure("note", kNote);
  db.Ensure("note", kNote);
  Add(db, "a");
  CHECK(Count(db) == 1);
  CHECK_THROWS_WITH(db.Ensure("note", "CREATE TABLE note(id INTEGER) STRICT"),
                    doctest::Contains("another version of Segue. Use that version: a new state "
                                      "file would not know who was written to"));
  Database reader = Database::Open(dir / "state.db", Database::Mode::kReadOnly);
  reader.Ensure("note", kNote);
  CHECK_THROWS_WITH(reader.Ensure("other", kNote), doctest::Contains("are not there yet"));
}

TEST_CASE("store: what cannot be opened says where and what to do") {
  TempDir dir;
  CHECK_THROWS_WITH(Database::Open(dir / "no/such/folder.db"),
                    doctest::Contains("Check that the folder exists"));
  dir.Write("text.db", std::string(5000, 'x'));
  CHECK_THROWS_WITH(Database::Open(dir / "text.db"), doctest::Contains("restore a backup"));
  {
    Database db = Database::Open(dir / "new.db");
    db.Execute("PRAGMA user_version = 99");
  }
  CHECK_THROWS_WITH(Database::Open(dir / "new.db"), doctest::Contains("newer Segue"));
}

}  // namespace
}  // namespace segue
