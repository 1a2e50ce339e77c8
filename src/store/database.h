// One SQLite file, the whole state of a Segue.  The only folder that knows SQLiteCpp.
//
//   auto db = Database::Open("state/segue.db");
//   Transaction work(db);
//   Statement insert = db.Prepare("INSERT INTO note(text) VALUES (?)");
//   insert.Bind(1, "hello").Run();
//   work.Commit();
//
// A broken machine (disk full, file corrupt, locked) is an exception, std::runtime_error with the
// path and what to do: the tick above rolls back and the process starts anew.  Statements are
// cached by their text; a Statement must not outlive its Database.  One Database belongs to one
// thread.  Where only another process holds the file for longer than the busy time, the exception
// is a DatabaseBusy.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/time.h"

namespace segue {

class Database;

// Nothing is wrong, and the same will go well once the other process lets go.
class DatabaseBusy : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Statement {
 public:
  ~Statement();
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) = delete;

  Statement& Bind(int index, std::int64_t value);
  Statement& Bind(int index, double value);
  Statement& Bind(int index, std::string_view text);
  Statement& BindBlob(int index, std::string_view bytes);
  Statement& BindNull(int index);

  // True while there is a row.  False once done; the statement is then ready for the next use.
  bool Step();
  // For statements without rows.
  void Run();
  void Reset();

  std::int64_t Int(int column) const;
  double Real(int column) const;
  std::string Text(int column) const;
  std::string Blob(int column) const;
  // Valid until the next Step.
  std::string_view BlobView(int column) const;
  bool IsNull(int column) const;

 private:
  friend class Database;
  struct Inner;
  explicit Statement(std::unique_ptr<Inner> inner);
  std::unique_ptr<Inner> inner_;
};

class Database {
 public:
  enum class Mode { kReadWrite, kReadOnly };

  // Opens or makes the file: WAL, synchronous FULL, foreign keys on, 60 s busy timeout.  ":memory:"
  // for tests. Brings the schema up to this program's version; refuses a file of a newer one.
  static Database Open(const std::string& path, Mode mode = Mode::kReadWrite);
  // In memory, for a life that is thrown away: nothing can be rolled back, and whoever keeps what
  // only a later start or a person would read (bodies, history, words) may leave it out.  Nothing
  // is decided in another way.
  static Database OpenThrownAway();
  bool thrown_away() const;

  Database(Database&&) noexcept;
  ~Database();

  // Makes the tables of one folder, once: `ddl` runs when `name` is not in table `part` yet.  Every
  // class with tables calls it first in its constructor.  Throws where the file holds another
  // definition under that name, or is read-only without it.
  void Ensure(std::string_view name, std::string_view ddl);

  Statement Prepare(std::string_view sql);
  void Execute(std::string_view sql);
  std::int64_t LastRowId() const;
  // Rows changed by the last INSERT, UPDATE or DELETE.
  int Changes() const;
  bool in_transaction() const;
  // Whether no other process holds the file, or lets go of it within `most`: then a Transaction can
  // begin.  Requires: none is open.
  bool IsFree(Duration most);
  const std::string& path() const;

  // Small settings of the state itself: table `setting`.
  std::optional<std::string> GetSetting(std::string_view name);
  void SetSetting(std::string_view name, std::string_view value);

  // Tests make a crash at any commit: called before (and with `after` true right after) every
  // outermost COMMIT.
  void OnCommit(std::function<void(bool after)> hook);

 private:
  friend class Statement;
  friend class Transaction;
  struct Inner;
  explicit Database(std::unique_ptr<Inner> inner);
  std::unique_ptr<Inner> inner_;
};

// BEGIN IMMEDIATE, or a savepoint inside another Transaction.  Rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& db);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void Commit();

 private:
  Database& db_;
  bool outer_ = false;
  bool done_ = false;
};

}  // namespace segue
