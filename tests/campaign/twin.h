// Twin: the same customers, the same hours and the same answers in a process that never dies.  It
// decides for itself, and must come to what the campaign with crashes came to.
//
// The campaign writes down what was done to the state, and the twin does it on a thread of its own:
// facts, cycles, what people did by hand, and what became of each delivery (an answer that is lost
// in a crash is asked for again, so this alone cannot be the same).  Once a day both compare all
// that was decided since.

#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "campaign/rulebook.h"
#include "domain/fact.h"

namespace segue::campaign {

// Everything that a process has in memory, and that ends with it.
struct Life {
  // `edge`: see Database::OnCommit; it may throw, and then there is no life.
  Life(const std::string& path, const Rulebook& book, bool guarded, TimePoint now,
       const std::function<void(bool)>& edge);

  Database db;
  std::unique_ptr<State> state;
  std::unique_ptr<Cycle> cycle;
};

// What became of a delivery.
struct Answer {
  std::string key;
  std::int64_t state = 0, changed = 0, not_before = 0, stale_after = 0, unresolved = 0;
  std::string address, payload;  // The second where it goes to another address than at first.
  // States that offers must hear of, in their order.
  std::vector<std::pair<DeliveryState, bool>> heard;
};

// All that was decided so far, as one number for each table.
struct Decided {
  std::int64_t decided_at = INT64_MIN, moved_at = INT64_MIN, run = 0, promise = 0;
  std::array<std::uint64_t, 4> hash{};

  // Takes in what was decided since.
  void Follow(Database& db);
};

// The whole of what stands at the end, a number for each table.
std::vector<std::pair<std::string, std::uint64_t>> Standing(State& state, TimePoint now);

struct Operation {
  enum class Kind : std::uint8_t {
    kIngest,
    kRead,
    kDecide,
    kSuppress,
    kPause,
    kLetGo,
    kGuard,
    kOpen,
    kCodes,
    kPublish,
    kAnswers,
    kCompare,
    kEnd
  };

  Kind kind = Kind::kDecide;
  TimePoint at = {};
  std::string a = {}, b = {};  // What it is about.
  std::vector<Fact> facts = {};
  std::vector<Answer> answers = {};
  Decided decided = {};
  std::vector<std::pair<std::string, std::uint64_t>> standing = {};
};

// Does one operation that is not of the campaign alone; both lives are driven by it.
void Do(Life& life, const Operation& operation);

// From the campaign's thread to the twin's.
class Wire {
 public:
  // Waits while much is under way.  Throws Broken when the twin has found something.
  void Put(Operation operation);
  std::optional<Operation> Take();
  // Nothing more comes, or nobody takes it any more, and why.
  void Close(const std::string& why);
  std::string why();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Operation> under_way_;
  bool closed_ = false;
  std::string why_;
};

// Lives until kEnd; what differs closes the wire.
void LiveAsTwin(Wire& wire, const Rulebook& book, const std::string& path,
                const std::string& other_path, TimePoint start);

}  // namespace segue::campaign
