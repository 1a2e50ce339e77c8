// Answers: what people say on Segue's own pages and through vendors' hooks, and which links they
// followed.  The service writes them into the spool before it answers; every reading takes them in
// first, outside the cycle, so that what a brake holds keeps nobody from being let go.
//
// A no that somebody said there stays until they say yes there (see Ledger::kOwnAnswer): no export
// that was made before, and no row of a tool that has not heard of it, brings mail back.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/pipeline.h"

namespace segue {

// The stream of the spool.  No source is called that: ids hold no dash.
constexpr std::string_view kAnswersStream = "own-answers";

// The reason of whoever signed off where no trait says no to mail alone.
constexpr std::string_view kUnsubscribed = "unsubscribed";

struct OwnAnswer {
  enum class Kind : std::uint8_t {
    kConsent,   // `what` names a yes_no trait of customers, and `yes` is the answer.
    kSuppress,  // Nothing goes to them any more; `what` is the reason.
    kClick      // `what` is a link, in a message of `template_id`.
  };

  Kind kind = Kind::kConsent;
  TimePoint at;
  std::string customer = {};  // Key.  Where nobody has it: …
  std::string address = {};   // … everybody with this mail address.
  std::string what = {};
  // What that trait stands for, "channel email" or "topic news": it may have another name by the
  // time that this is read.
  std::string about = {};
  bool yes = false;
  std::string template_id = {};
  // Said on a page of ours: its link proves that we wrote to them, and the order of the lines says
  // what came last.
  bool on_page = false;
};

// What a trait of consent stands for; empty: nothing.
std::string AboutOf(const Workspace& workspace, int trait);

// One line of JSON, and back; nothing when it is none of these.
std::string FormatAnswer(const OwnAnswer& answer);
std::optional<OwnAnswer> ParseAnswer(std::string_view line);

// What is in force for a person.
struct InForce {
  std::map<std::string, bool> answers;  // By trait; one that was never given is absent.
  bool stopped = false;                 // Nothing goes to them any more.
};

// Of the customer with this key, by the traits of `consent`.  Of whom nobody knows: nothing.
InForce InForceFor(State& state, std::string_view customer);

// Takes in what the spool holds and the state has not read, each batch in one transaction with its
// cursor.  Who was erased is passed over, and of whom a vendor speaks and nobody knows anything.
// False: something could not be read, and a warning says what.
bool TakeAnswers(State& state, FileReader& files, TimePoint now, CycleReport& report);

}  // namespace segue
