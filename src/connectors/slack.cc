// The Slack connector: a task or a message as a post in the one channel that an incoming webhook is
// made for.
//
//   POST (auth.url)   {"text": "*Call Lara*\n…"}   → 200 "ok", or a word that says what is wrong
//
// Slack knows no key of ours: a lost answer stays unknown.  The address is all that it asks for, so
// it is as secret as a token.

#include <algorithm>
#include <array>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "connectors/connector.h"
#include "connectors/vendor.h"

namespace segue {
namespace {

constexpr std::string_view kSlackDone = "ok";
// Slack cuts a text off at 40 000 characters.
constexpr std::size_t kSlackBytesMax = 40'000;

// Words that judge the webhook or its channel and not the post: whoever mends that finds the post
// waiting.
constexpr std::array<std::string_view, 10> kSlackSetUp = {
    "no_service",        "no_service_id",
    "no_team",           "no_active_hooks",
    "invalid_token",     "team_disabled",
    "channel_not_found", "channel_is_archived",
    "action_prohibited", "posting_to_general_channel_denied"};

// As Slack asks for texts: else "<!channel>" in a value would call everybody.
std::string SlackEscape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// A member's id, with which Slack lets somebody know: U012AB3CD.
bool IsSlackMember(std::string_view id) {
  return id.size() >= 9 && (id.front() == 'U' || id.front() == 'W') &&
         std::all_of(id.begin(), id.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); });
}

std::string SlackBold(std::string_view title) {
  return title.empty() ? "" : "*" + SlackEscape(title) + "*\n";
}

// The day as whoever reads it has it.
std::string SlackDay(TimePoint time) {
  return fmt::format("<!date^{}^{{date_short}}|{}>", UnixMillis(time) / 1000,
                     FormatTime(time).substr(0, 10));
}

// For whom it is, until when, and whom it is about.
std::string SlackTask(const Delivery& delivery) {
  const Payload& payload = delivery.payload;
  std::string text = SlackBold(payload.title);
  if (!payload.note.empty()) {
    text += SlackEscape(payload.note) + "\n";
  }
  text += "For " + (IsSlackMember(payload.assignee) ? "<@" + payload.assignee + ">"
                                                    : SlackEscape(payload.assignee));
  if (payload.due != TimePoint()) {
    text += ", by " + SlackDay(payload.due);
  }
  if (payload.priority == "high" || payload.priority == "low") {
    text += ", priority " + payload.priority;
  }
  if (!IsAccount(delivery.customer)) {
    text += "\nCustomer " + SlackEscape(delivery.customer_key);
    if (!payload.to.empty() && payload.to != delivery.customer_key) {
      text += ", " + SlackEscape(payload.to);
    }
  }
  if (const std::string& account = AccountId(delivery); !account.empty()) {
    text += "\nAccount " + SlackEscape(account);
  }
  return text;
}

std::string SlackMessage(const Payload& payload) {
  std::string text = SlackBold(payload.title.empty() ? payload.subject : payload.title);
  text += SlackEscape(Trim(payload.text));
  if (!payload.link.empty()) {
    std::string link = SlackEscape(payload.link);
    for (std::size_t at = 0; (at = link.find('|', at)) != std::string::npos;) {
      link.replace(at, 1, "%7C");  // It would end the address.
    }
    text += "\n<" + link +
            (payload.button.empty() ? std::string() : "|" + SlackEscape(payload.button)) + ">";
  }
  return text;
}

class SlackConnector final : public Connector {
 public:
  SlackConnector(const ConnectorSettings& settings, const Secrets& secrets)
      : vendor_(MakeVendor("Slack", "", settings, secrets)) {}

  NextStep Next(std::span<const Delivery> batch, std::span<const Exchange> done, Session& session,
                TimePoint now) const override {
    VendorAttempt attempt(vendor_, batch, done, session, now);
    const Delivery& delivery = attempt.first();
    if (const auto hindered = attempt.Hindered(Problem(delivery))) {
      return *hindered;
    }
    if (const Reply* reply = attempt.Take()) {
      return attempt.Whole(Read(attempt, *reply));
    }
    std::string text =
        delivery.kind == DeliveryKind::kTask ? SlackTask(delivery) : SlackMessage(delivery.payload);
    if (text.size() > kSlackBytesMax) {
      // Where a character begins, so that none is cut in two.
      std::size_t end = kSlackBytesMax;
      while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
        --end;
      }
      text.resize(end);
    }
    return attempt.Call("POST", "", boost::json::serialize(boost::json::object{{"text", text}}));
  }

 private:
  static std::string Problem(const Delivery& delivery) {
    if (delivery.kind != DeliveryKind::kTask && delivery.kind != DeliveryKind::kMessage) {
      return "Slack carries tasks and messages only, not a " +
             std::string(DeliveryKindName(delivery.kind));
    }
    if (delivery.kind == DeliveryKind::kMessage && !delivery.payload.name.empty()) {
      return "Slack has no messages of its own: give the template a body";
    }
    return delivery.kind == DeliveryKind::kMessage && SlackMessage(delivery.payload).empty()
               ? "the message has no body"
               : "";
  }

  static Outcome Read(const VendorAttempt& attempt, const Reply& reply) {
    const std::string_view word = Trim(reply.body);
    if (Succeeded(reply)) {
      return word == kSlackDone ? attempt.Accepted("") : attempt.Unreadable();
    }
    const bool set_up =
        reply.kind == Reply::Kind::kAnswered &&
        std::find(kSlackSetUp.begin(), kSlackSetUp.end(), word) != kSlackSetUp.end();
    return set_up
               ? attempt.Misconfigured("Slack takes nothing for this webhook: " + std::string(word))
               : attempt.Of(reply);
  }

  Vendor vendor_;
};

}  // namespace

constinit const ConnectorSpec kSlackConnector = {
    .name = "slack",
    .summary = "Slack: tasks and messages in the channel of an incoming webhook",
    .example =
        "connector: team\n"
        "type: slack\n"
        "auth: {url: cred:slack_webhook}\n"
        "rate: 1 per 1s\n"
        "retry: {for: 24h, first: 30s, most: 1h}\n",
    .dedupe = Dedupe::kNone,
    .carries =
        [] {
          return std::vector{DeliveryKind::kTask, DeliveryKind::kMessage};
        },
    .make = [](const ConnectorSettings& settings,
               const Secrets& secrets) -> std::unique_ptr<Connector> {
      return std::make_unique<SlackConnector>(settings, secrets);
    },
};

}  // namespace segue
