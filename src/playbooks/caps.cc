// Frequency caps: when the next message keeps within them.

#include <algorithm>
#include <set>

#include "base/check.h"
#include "playbooks/engine.h"

namespace segue {
namespace {

bool Counts(const Cap& cap, std::string_view purpose, std::string_view channel) {
  return (!cap.purpose || PurposeName(*cap.purpose) == purpose) &&
         (cap.channel.empty() || cap.channel == channel);
}

// Whether one more at `at` leaves every stretch of the cap's time with at most its number.
// `times`: those that count, ascending.
bool HasRoom(const Cap& cap, const std::vector<TimePoint>& times, TimePoint at) {
  const auto in_stretch_until = [&](TimePoint end) {
    return std::count_if(times.begin(), times.end(),
                         [&](TimePoint time) { return end - cap.within < time && time <= end; });
  };
  if (in_stretch_until(at) >= cap.max) {
    return false;
  }
  return std::none_of(times.begin(), times.end(), [&](TimePoint end) {
    return at < end && end < at + cap.within && in_stretch_until(end) >= cap.max;
  });
}

std::string Words(const Cap& cap) {
  return std::to_string(cap.max) + " " +
         (cap.purpose ? std::string(PurposeName(*cap.purpose)) + " " : std::string()) +
         (cap.channel.empty() ? "" : cap.channel + " ") + "per " + FormatDuration(cap.within);
}

}  // namespace

CapRoom RoomUnderCaps(const std::vector<Cap>& caps, std::string_view purpose,
                      std::string_view channel, const std::vector<CountedMessage>& sent,
                      TimePoint due) {
  struct Line {
    const Cap* cap = nullptr;
    std::vector<TimePoint> times;
  };

  std::vector<Line> lines;
  std::vector<TimePoint> candidates = {due};
  for (const Cap& cap : caps) {
    if (!Counts(cap, purpose, channel)) {
      continue;
    }
    Line line{&cap, {}};
    for (const CountedMessage& message : sent) {
      if (Counts(cap, message.purpose, message.channel)) {
        line.times.push_back(message.at);
        candidates.push_back(std::max(due, message.at + cap.within));
      }
    }
    std::sort(line.times.begin(), line.times.end());
    lines.push_back(std::move(line));
  }
  CapRoom room{.asked = !lines.empty(), .at = due, .full = ""};
  std::sort(candidates.begin(), candidates.end());
  for (const TimePoint at : candidates) {
    const auto full = std::find_if(lines.begin(), lines.end(), [&](const Line& line) {
      return !HasRoom(*line.cap, line.times, at);
    });
    if (full == lines.end()) {
      room.at = at;
      return room;
    }
    if (room.full.empty()) {
      room.full = Words(*full->cap);
    }
  }
  SEGUE_CHECK(false);  // After the last message and every stretch there is room.
  return room;
}

std::optional<TimePoint> PlaybookEngine::PassesCaps(const ActiveRun& run, const Subject& subject,
                                                    const std::string& channel, TimePoint now) {
  const Playbook& playbook = this->playbook(run);
  if (workspace_.caps.empty()) {
    return now;
  }
  Duration longest = Duration::zero();
  for (const Cap& cap : workspace_.caps) {
    longest = std::max(longest, cap.within);
  }
  std::vector<CountedMessage> sent = host_.Messages(subject.customer, now - longest);
  if (run.held_out) {  // A ghost counts what it would have got.
    Statement ghosts = db_.Prepare(
        "SELECT at, purpose, channel FROM ghost_message WHERE customer = ? AND at > ? AND kind = "
        "0");
    ghosts.Bind(1, std::int64_t{subject.customer}).Bind(2, ToMicros(now - longest));
    while (ghosts.Step()) {
      sent.push_back({FromMicros(ghosts.Int(0)), ghosts.Text(1), ghosts.Text(2)});
    }
  }
  const CapRoom room =
      RoomUnderCaps(workspace_.caps, PurposeName(playbook.purpose), channel, sent, now);
  if (!room.asked) {
    return now;
  }
  if (room.at == now) {
    Say(now, subject, Gate::kCap, true, "", "there is room");
    return now;
  }
  const std::string detail = room.full + " is reached, room at " + FormatTime(room.at);
  if (!playbook.on_cap_wait || room.at - now > *playbook.on_cap_wait) {
    Refuse(subject, Gate::kCap, "cap",
           detail + (playbook.on_cap_wait
                         ? ", and a message waits " + FormatDuration(*playbook.on_cap_wait)
                         : std::string()),
           now);
    return std::nullopt;
  }
  Say(now, subject, Gate::kCap, true, "held", detail);
  return room.at;
}

void PlaybookEngine::RememberGhost(const Delivery& delivery, bool prints_offer) {
  if (delivery.kind != DeliveryKind::kMessage && !prints_offer) {
    return;
  }
  Statement keep = db_.Prepare(
      "INSERT INTO ghost_message(customer, at, purpose, channel, run, kind, prints) VALUES (?, ?, "
      "?, ?, ?, ?, ?)");
  keep.Bind(1, std::int64_t{delivery.customer})
      .Bind(2, ToMicros(delivery.not_before))
      .Bind(3, delivery.purpose)
      .Bind(4, delivery.payload.channel)
      .Bind(5, delivery.run)
      .Bind(6, static_cast<std::int64_t>(delivery.kind))
      .Bind(7, std::int64_t{prints_offer})
      .Run();
}

// What is due at this very moment goes out after the cycle, if at all.
void PlaybookEngine::ForgetGhosts(const ActiveRun& run, TimePoint now) {
  std::set<CustomerIndex> printed;
  Statement unsent = db_.Prepare(
      "SELECT customer FROM ghost_message WHERE run = ?1 AND at >= ?2 AND prints = 1 AND NOT "
      "EXISTS (SELECT 1 FROM ghost_message sent WHERE sent.run = ?1 AND sent.customer = "
      "ghost_message.customer AND sent.at < ?2 AND sent.prints = 1)");
  unsent.Bind(1, run.id).Bind(2, ToMicros(now));
  while (unsent.Step()) {
    printed.insert(static_cast<CustomerIndex>(unsent.Int(0)));
  }
  for (const CustomerIndex customer : printed) {
    offers_.ForgetGhost(run.id, customer);
  }
  Statement forget = db_.Prepare("DELETE FROM ghost_message WHERE run = ? AND at >= ?");
  forget.Bind(1, run.id).Bind(2, ToMicros(now)).Run();
}

}  // namespace segue
