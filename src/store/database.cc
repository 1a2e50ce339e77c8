// The SQLite file: opening, settings, cached statements, nested transactions.

#include "store/database.h"

#include <deque>
#include <map>
#include <sqlite3.h>
#include <stdexcept>
#include <unordered_map>
#include <utility>
#include <vector>

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Statement.h>

#include "base/check.h"
#include "base/hash.h"

namespace segue {
namespace {

// The layout of `setting` and `part`.  Each folder's own tables are told apart by their definition
// in `part`.
constexpr int kVersion = 1;
// A verb that looks may hold the file while it computes a plan; the service waits for it.
constexpr int kBusyMillis = 60'000;
// Two uses of one text at the same time are common (a loop inside a loop), more are a leak.
constexpr std::size_t kIdlePerText = 4;
constexpr std::size_t kIdleTextsMax = 512;

constexpr const char* kTables =
    "CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE part(name TEXT PRIMARY KEY, ddl_hash TEXT NOT NULL) STRICT, WITHOUT ROWID;";

[[noreturn]] void Fail(const std::string& path, const SQLite::Exception& error) {
  const int code = error.getErrorCode();
  std::string help = "Restart Segue; if it comes back, look at the disk and the log.";
  if (code == 5 || code == 6) {  // SQLITE_BUSY, SQLITE_LOCKED
    help = "Another process holds the file: stop the other Segue, or wait for it.";
  } else if (code == 8) {  // SQLITE_READONLY
    help = "The file can only be read: check its owner and rights.";
  } else if (code == 11 || code == 26) {  // SQLITE_CORRUPT, SQLITE_NOTADB
    help = "The file is damaged or is not a Segue state: restore a backup.";
  } else if (code == 13) {  // SQLITE_FULL
    help = "The disk is full: free some space, nothing was lost.";
  } else if (code == 14) {  // SQLITE_CANTOPEN
    help = "Check that the folder exists and may be written.";
  }
  const std::string words = "state file " + path + ": " + error.what() + ". " + help;
  if (code == 5) {
    throw DatabaseBusy(words);
  }
  throw std::runtime_error(words);
}

// SQLite would count each allocation under a lock that all of the process share, and nobody asks.
void CountNoMemory() {
  static const int kDone = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(kDone);  // Too late when somebody else has used SQLite already: no harm.
}

}  // namespace

// A statement that was compiled, with the texts that are bound to it: they stay where they are, so
// that neither we nor SQLite copy them once more.
struct CompiledStatement {
  CompiledStatement(SQLite::Database& db, const std::string& sql) : statement(db, sql) {}

  std::deque<std::string> texts;  // By number of the parameter.
  SQLite::Statement statement;
};

struct TextHash {
  using is_transparent = void;

  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

using IdleStatements =
    std::unordered_map<std::string, std::vector<std::unique_ptr<CompiledStatement>>, TextHash,
                       std::equal_to<>>;

struct Database::Inner {
  Inner(std::string file, int flags) : path(std::move(file)), db(path, flags, kBusyMillis) {}

  template <typename Work>
  auto Guard(Work work) -> decltype(work()) {
    try {
      return work();
    } catch (const SQLite::Exception& error) {
      Fail(path, error);
    }
  }

  void Execute(const std::string& sql) {
    Guard([&] { db.exec(sql); });
  }

  std::string path;
  SQLite::Database db;
  bool read_only = false;
  bool thrown_away = false;
  int depth = 0;  // Open Transactions, savepoints included.
  std::function<void(bool after)> hook;
  // Part to the definition that was found to be there; asked in every cycle.
  std::map<std::string, const char*, std::less<>> ensured;
  // Declared after db: statements must be gone before the connection closes.
  IdleStatements idle;
};

struct Statement::Inner {
  Database::Inner* owner;
  std::vector<std::unique_ptr<CompiledStatement>>*
      home;  // Where it waits for its next use; may be null.
  std::unique_ptr<CompiledStatement> prepared;

  SQLite::Statement& statement() const { return prepared->statement; }
};

Statement::Statement(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}

Statement::Statement(Statement&&) noexcept = default;

Statement::~Statement() {
  if (inner_ == nullptr) {
    return;
  }
  inner_->statement().tryReset();
  if (inner_->home != nullptr && inner_->home->size() < kIdlePerText) {
    inner_->home->push_back(std::move(inner_->prepared));
  }
}

Statement& Statement::Bind(int index, std::int64_t value) {
  inner_->owner->Guard([&] { inner_->statement().bind(index, value); });
  return *this;
}

Statement& Statement::Bind(int index, double value) {
  inner_->owner->Guard([&] { inner_->statement().bind(index, value); });
  return *this;
}

Statement& Statement::Bind(int index, std::string_view text) {
  std::deque<std::string>& texts = inner_->prepared->texts;
  const auto at = static_cast<std::size_t>(index);
  if (texts.size() <= at) {
    texts.resize(at + 1);
  }
  texts[at] = text;
  inner_->owner->Guard([&] { inner_->statement().bindNoCopy(index, texts[at]); });
  return *this;
}

Statement& Statement::BindBlob(int index, std::string_view bytes) {
  SEGUE_CHECK(bytes.size() < (std::size_t{1} << 30));
  // A null pointer would bind NULL instead of an empty blob.
  const void* data = bytes.empty() ? static_cast<const void*>("") : bytes.data();
  inner_->owner->Guard(
      [&] { inner_->statement().bind(index, data, static_cast<int>(bytes.size())); });
  return *this;
}

Statement& Statement::BindNull(int index) {
  inner_->owner->Guard([&] { inner_->statement().bind(index); });
  return *this;
}

bool Statement::Step() {
  const bool row = inner_->owner->Guard([&] { return inner_->statement().executeStep(); });
  if (!row) {
    inner_->statement().tryReset();
  }
  return row;
}

void Statement::Run() {
  SEGUE_CHECK(!Step());
}

void Statement::Reset() {
  inner_->statement().tryReset();
}

std::int64_t Statement::Int(int column) const {
  return inner_->statement().getColumn(column).getInt64();
}

double Statement::Real(int column) const {
  return inner_->statement().getColumn(column).getDouble();
}

std::string Statement::Text(int column) const {
  return inner_->statement().getColumn(column).getString();
}

std::string Statement::Blob(int column) const {
  return std::string(BlobView(column));
}

std::string_view Statement::BlobView(int column) const {
  const SQLite::Column cell = inner_->statement().getColumn(column);
  const void* data = cell.getBlob();
  return data == nullptr ? std::string_view()
                         : std::string_view(static_cast<const char*>(data),
                                            static_cast<std::size_t>(cell.getBytes()));
}

bool Statement::IsNull(int column) const {
  return inner_->statement().getColumn(column).isNull();
}

Database::Database(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}

Database::Database(Database&&) noexcept = default;
Database::~Database() = default;

Database Database::Open(const std::string& path, Mode mode) {
  const bool read_only = mode == Mode::kReadOnly;
  const int flags =
      (read_only ? SQLite::OPEN_READONLY : SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE) |
      SQLite::OPEN_NOMUTEX;
  CountNoMemory();
  std::unique_ptr<Inner> inner;
  try {
    inner = std::make_unique<Inner>(path, flags);
  } catch (const SQLite::Exception& error) {
    Fail(path, error);
  }
  inner->read_only = read_only;
  Inner& in = *inner;
  in.Execute("PRAGMA foreign_keys = ON");
  in.Execute("PRAGMA temp_store = MEMORY");
  in.Execute("PRAGMA cache_size = -32768");  // 32 MB
  if (!read_only) {
    in.Execute("PRAGMA journal_mode = WAL");
    in.Execute("PRAGMA synchronous = FULL");
    // Every 16 MB: what a day writes waits for no page to be copied, and a long import copies the
    // same pages less often.
    in.Execute("PRAGMA wal_autocheckpoint = 4000");
    // Whatever is deleted is overwritten: who asks to be erased may have been in a page that was
    // freed before.
    in.Execute("PRAGMA secure_delete = ON");
  }
  Database db(std::move(inner));
  const int version = in.Guard([&] { return in.db.execAndGet("PRAGMA user_version").getInt(); });
  if (version > kVersion) {
    throw std::runtime_error("state file " + path + " was written by a newer Segue (layout " +
                             std::to_string(version) + ", this program knows " +
                             std::to_string(kVersion) + "). Install that version again.");
  }
  if (version == 0) {
    if (read_only) {
      throw std::runtime_error("state file " + path +
                               " is empty. Let `segue serve` or `segue run` fill it first.");
    }
    Transaction work(db);
    // Another process may have been quicker.
    if (in.Guard([&] { return in.db.execAndGet("PRAGMA user_version").getInt(); }) == 0) {
      in.Execute(kTables);
      in.Execute("PRAGMA user_version = " + std::to_string(kVersion));
    }
    work.Commit();
  }
  return db;
}

Database Database::OpenThrownAway() {
  Database db = Open(":memory:");
  db.inner_->thrown_away = true;
  for (const char* setting : {"journal_mode", "secure_delete", "foreign_keys"}) {
    db.Execute("PRAGMA " + std::string(setting) + " = OFF");
  }
  return db;
}

bool Database::thrown_away() const {
  return inner_->thrown_away;
}

void Database::Ensure(std::string_view name, std::string_view ddl) {
  if (const auto known = inner_->ensured.find(name);
      known != inner_->ensured.end() && known->second == ddl.data()) {
    return;
  }
  const std::string hash = Sha256Hex(ddl);
  const auto stored = [&]() -> std::optional<std::string> {
    Statement find = Prepare("SELECT ddl_hash FROM part WHERE name = ?");
    find.Bind(1, name);
    return find.Step() ? std::optional(find.Text(0)) : std::nullopt;
  };
  std::optional<std::string> found = stored();
  if (!found && !inner_->read_only) {
    Transaction work(*this);
    found = stored();
    if (!found) {
      Execute(ddl);
      Prepare("INSERT INTO part(name, ddl_hash) VALUES (?, ?)").Bind(1, name).Bind(2, hash).Run();
      found = hash;
    }
    work.Commit();
  }
  if (found != hash) {
    throw std::runtime_error(
        "state file " + inner_->path + ": the tables of `" + std::string(name) + "` " +
        (found ? "were made by another version of Segue. Use that version: a new state file would "
                 "not know who was written to and who said no."
               : "are not there yet. Let `segue serve` or `segue run` make them first."));
  }
  if (inner_->depth == 0) {  // What a transaction made may be rolled back.
    inner_->ensured.insert_or_assign(std::string(name), ddl.data());
  }
}

Statement Database::Prepare(std::string_view sql) {
  auto inner = std::make_unique<Statement::Inner>();
  inner->owner = inner_.get();
  IdleStatements& idle = inner_->idle;
  auto found = idle.find(sql);
  if (found == idle.end() && idle.size() < kIdleTextsMax) {
    found = idle.try_emplace(std::string(sql)).first;
  }
  inner->home = found == idle.end() ? nullptr : &found->second;
  if (inner->home != nullptr && !inner->home->empty()) {
    inner->prepared = std::move(inner->home->back());
    inner->home->pop_back();
    inner_->Guard([&] { inner->statement().clearBindings(); });
  } else {
    inner->prepared = inner_->Guard(
        [&] { return std::make_unique<CompiledStatement>(inner_->db, std::string(sql)); });
  }
  return Statement(std::move(inner));
}

void Database::Execute(std::string_view sql) {
  inner_->Execute(std::string(sql));
}

std::int64_t Database::LastRowId() const {
  return inner_->db.getLastInsertRowid();
}

int Database::Changes() const {
  return inner_->db.getChanges();
}

bool Database::in_transaction() const {
  return inner_->depth > 0;
}

bool Database::IsFree(Duration most) {
  SEGUE_CHECK(inner_->depth == 0);
  const auto wait = [&](std::int64_t millis) {
    inner_->Guard([&] { inner_->db.setBusyTimeout(static_cast<int>(millis)); });
  };
  wait(std::chrono::duration_cast<std::chrono::milliseconds>(most).count());
  bool free = true;
  try {
    const Transaction nothing(*this);
  } catch (const DatabaseBusy&) {
    free = false;
  }
  wait(kBusyMillis);
  return free;
}

const std::string& Database::path() const {
  return inner_->path;
}

std::optional<std::string> Database::GetSetting(std::string_view name) {
  Statement find = Prepare("SELECT value FROM setting WHERE name = ?");
  find.Bind(1, name);
  return find.Step() ? std::optional(find.Text(0)) : std::nullopt;
}

void Database::SetSetting(std::string_view name, std::string_view value) {
  Prepare(
      "INSERT INTO setting(name, value) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = "
      "excluded.value")
      .Bind(1, name)
      .Bind(2, value)
      .Run();
}

void Database::OnCommit(std::function<void(bool after)> hook) {
  inner_->hook = std::move(hook);
}

Transaction::Transaction(Database& db) : db_(db), outer_(db.inner_->depth == 0) {
  // Prepared once: a cycle has a dozen of them.
  db_.Prepare(outer_ ? "BEGIN IMMEDIATE" : "SAVEPOINT nested_" + std::to_string(db_.inner_->depth))
      .Run();
  ++db_.inner_->depth;
}

Transaction::~Transaction() {
  if (done_) {
    return;
  }
  --db_.inner_->depth;
  const std::string name = "nested_" + std::to_string(db_.inner_->depth);
  try {
    // Some errors (a full disk) make SQLite roll back by itself; then there is nothing left to do.
    db_.inner_->Execute(outer_ ? "ROLLBACK" : "ROLLBACK TO " + name + "; RELEASE " + name);
  } catch (const std::runtime_error&) {
    done_ = true;
  }
}

void Transaction::Commit() {
  SEGUE_CHECK(!done_);
  Database::Inner& inner = *db_.inner_;
  // Nested transactions end in the reverse order of their beginning.
  SEGUE_CHECK(outer_ == (inner.depth == 1));
  if (!outer_) {
    db_.Prepare("RELEASE nested_" + std::to_string(inner.depth - 1)).Run();
    --inner.depth;
    done_ = true;
    return;
  }
  if (inner.hook) {
    inner.hook(false);
  }
  db_.Prepare("COMMIT").Run();
  --inner.depth;
  done_ = true;
  if (inner.hook) {
    inner.hook(true);
  }
}

}  // namespace segue
