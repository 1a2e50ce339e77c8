// World: the customers of one seed, the files in which their facts arrive, and what a careful
// onlooker knows about them at each moment.
//
// The onlooker's knowledge is built from the files and not from Segue's state, so that it can be
// held against what Segue sends.  Where it did not write down enough to know (two changes of one
// moment that meet in a merge), it says so.

#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/zone.h"
#include "sim/choices.h"
#include "sources/source.h"

namespace segue::sim {

// Something that happens to the state other than by a file.
struct Action {
  enum class Kind : std::uint8_t { kMerge, kErase, kSuppress, kStall };

  TimePoint at;
  Kind kind = Kind::kMerge;
  std::string customer;  // For kSuppress: the address or key.
  std::string other;
  Duration length = Duration::zero();  // Of a stall.
};

class World final : public FileReader {
 public:
  explicit World(const Choices& choices);

  // FileReader: files as they are at the moment that was set.
  std::vector<Info> List(std::string_view pattern) override;
  Result<std::string> Read(std::string_view path, std::uint64_t offset, std::size_t most) override;
  void SetNow(TimePoint now);
  // Called at every List and Read: a place where a process may die.
  std::function<void()> edge;

  const std::vector<Action>& actions() const { return actions_; }

  // What was listed since the last call has been taken in, unless it could not be read.
  void TookIn();
  void Merged(const std::string& customer, const std::string& other);
  void Erased(const std::string& customer);

  void Suppressed(const std::string& who) { suppressed_.insert(who); }

  // What the onlooker knows of the customer with this key.
  bool IsErased(const std::string& customer) const;
  // By the address or by any key that this person ever had.
  bool IsSuppressed(const std::string& customer, const std::string& address) const;
  // Whether consent allows a message of this channel, purpose and topic.
  bool MayWrite(const std::string& customer, const std::string& channel, const std::string& purpose,
                const std::string& topic) const;
  // Nothing: unsure; an empty name: they have none.
  std::optional<std::string> ZoneName(const std::string& customer) const;
  // Different events of a kind ("orders", "refunds") of everybody who was not erased, by the key
  // that everybody's keys were merged into.
  std::map<std::string, std::set<std::string>> Events(const std::string& source) const;
  std::string Root(const std::string& customer) const;
  std::vector<std::string> ErasedKeys() const;

 private:
  struct Row {
    TimePoint arrival;
    std::string file;
    std::string text;
    // For the onlooker.
    std::string customer;
    std::string event_id;                       // Empty for rows about a customer.
    std::map<std::string, std::string> traits;  // Every trait of the row; empty: taken away.
    TimePoint time;
  };

  struct File {
    std::string text;
    std::vector<std::pair<TimePoint, std::size_t>> ends;  // Where each row ends.
  };

  struct Known {
    std::string value;
    TimePoint since;
    bool unsure = false;
  };

  using Traits = std::map<std::string, Known>;

  void MakeCustomer(const Choices& choices, int index);
  void AddOrder(const Choices& choices, int index, int order, TimePoint time);
  void AddTraits(const std::string& key, TimePoint time, Duration delay,
                 std::map<std::string, std::string> traits);
  void Put(const std::string& source, Row row);
  void MakeFiles();
  void Apply(const Row& row);
  static std::string SourceOf(std::string_view path);
  bool Unreadable(const std::string& source) const;
  const File* Find(std::string_view path) const;
  const Known* Trait(const std::string& customer, const std::string& trait) const;

  TimePoint start_, end_, now_;
  std::map<std::string, std::vector<Row>> rows_;  // By source.
  std::map<std::string, File> files_;             // By path.
  std::vector<Action> actions_;
  // Stretches in which a source cannot be read.
  std::map<std::string, std::pair<TimePoint, TimePoint>> unreadable_;
  std::map<std::string, std::size_t> taken_;  // Rows of a source that Segue has taken in.
  std::set<std::string> listed_;
  std::map<std::string, std::string> merged_into_;
  std::map<std::string, Traits> known_;
  std::map<std::string, std::map<std::string, std::set<std::string>>> events_;
  std::set<std::string> seen_;  // An erasure of somebody who is not there yet is of nobody.
  std::set<std::string> erased_;
  std::set<std::string> suppressed_;
};

}  // namespace segue::sim
