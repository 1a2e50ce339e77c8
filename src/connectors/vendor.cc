// What the connectors of vendors with an HTTP API share.

#include "connectors/vendor.h"

#include <algorithm>
#include <array>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"

namespace segue {
namespace {

const boost::json::value kNothing;

}  // namespace

Vendor MakeVendor(std::string_view name, std::string_view standard,
                  const ConnectorSettings& settings, const Secrets& secrets) {
  const std::string own = SecretOr(secrets, "url");
  std::string_view base = own.empty() ? standard : std::string_view(own);
  while (base.ends_with('/')) {
    base.remove_suffix(1);
  }
  return Vendor{std::string(name), IsSafeUrl(base) ? std::string(base) : "", settings.timeout,
                secrets};
}

std::string SettingOr(const ConnectorSettings& settings, std::string_view key,
                      std::string_view standard) {
  const auto found = settings.text.find(std::string(key));
  return found == settings.text.end() ? std::string(standard) : std::string(Trim(found->second));
}

std::string SecretOr(const Secrets& secrets, std::string_view name) {
  const auto found = secrets.find(std::string(name));
  return found == secrets.end() ? "" : std::string(Trim(found->second));
}

std::string BasicAuth(std::string_view user_and_password) {
  return "Basic " + Base64(user_and_password);
}

bool Answered(const Reply& reply, int status) {
  return reply.kind == Reply::Kind::kAnswered && reply.status == status;
}

bool Succeeded(const Reply& reply) {
  return reply.kind == Reply::Kind::kAnswered && reply.status >= 200 && reply.status < 300;
}

boost::json::value ParseJson(std::string_view text) {
  boost::json::error_code error;
  boost::json::value value = boost::json::parse(text, error);
  return error ? boost::json::value() : value;
}

const boost::json::value& At(const boost::json::value& value,
                             std::initializer_list<std::string_view> keys) {
  const boost::json::value* at = &value;
  for (const std::string_view key : keys) {
    const boost::json::object* object = at->if_object();
    at = object == nullptr ? nullptr : object->if_contains(key);
    if (at == nullptr) {
      return kNothing;
    }
  }
  return *at;
}

std::span<const boost::json::value> ListAt(const boost::json::value& value, std::string_view key) {
  return EntriesOf(At(value, {key}));
}

std::span<const boost::json::value> EntriesOf(const boost::json::value& list) {
  const boost::json::array* entries = list.if_array();
  if (entries == nullptr) {
    return {};
  }
  return {entries->data(), entries->size()};
}

std::string TextAt(const boost::json::value& value, std::initializer_list<std::string_view> keys) {
  const boost::json::value& found = At(value, keys);
  if (const boost::json::string* text = found.if_string()) {
    return std::string(*text);
  }
  return found.is_int64() || found.is_uint64() ? boost::json::serialize(found) : std::string();
}

std::optional<std::size_t> PlaceIn(const boost::json::value& value) {
  boost::json::error_code error;
  const auto place = value.to_number<std::uint32_t>(error);
  return error ? std::nullopt : std::optional<std::size_t>(place);
}

bool IsEmailField(std::string_view match_field) {
  return ToLower(match_field) == "email";
}

bool IsNobody(std::string_view id) {
  constexpr std::array<std::string_view, 18> kNobody = {
      "",    "null", "nil", "none", "undefined", "unknown", "anon", "anonymous", "na",
      "n/a", "nan",  "0",   "-1",   "true",      "false",   "[]",   "{}",        "lmy47d"};
  const std::string lower = ToLower(Trim(id));
  return std::find(kNobody.begin(), kNobody.end(), lower) != kNobody.end() ||
         lower == "00000000-0000-0000-0000-000000000000";
}

std::string AfterWord(std::string_view use, std::string_view word) {
  const bool begins = use.starts_with(word) && use.substr(word.size()).starts_with(' ');
  return begins ? std::string(Trim(use.substr(word.size()))) : "";
}

std::string FieldsProblem(const Delivery& delivery, std::span<const std::string> writes) {
  if (delivery.kind != DeliveryKind::kSet) {
    return "";
  }
  for (const auto& [field, text] : delivery.payload.values) {
    if (std::find(writes.begin(), writes.end(), field) == writes.end()) {
      return "the connector's `writes` does not name " + field;
    }
  }
  return "";
}

std::string AccountProblem(std::string_view vendor, const Delivery& delivery,
                           std::string_view match_account) {
  if (!IsAccount(delivery.customer) || delivery.kind == DeliveryKind::kTask) {
    return "";
  }
  if (delivery.kind != DeliveryKind::kSet) {
    return fmt::format("a {} is for a customer, and the account has no contact",
                       DeliveryKindName(delivery.kind));
  }
  return match_account.empty()
             ? fmt::format("the connector does not say by `match.account` how {} finds accounts",
                           vendor)
             : "";
}

MatchFields MatchOf(const ConnectorSettings& settings, std::string_view standard) {
  return {SettingOr(settings, "match.contact", standard), SettingOr(settings, "match.account", "")};
}

std::string FieldsAndEventsProblem(std::string_view vendor, const Delivery& delivery,
                                   const MatchFields& match, std::span<const std::string> writes) {
  if (delivery.kind != DeliveryKind::kSet && delivery.kind != DeliveryKind::kTrack) {
    return fmt::format("{} carries fields and events only, not a {}", vendor,
                       DeliveryKindName(delivery.kind));
  }
  if (std::string problem = AccountProblem(vendor, delivery, match.account); !problem.empty()) {
    return problem;
  }
  const std::string id = ContactId(delivery, match.contact);
  if (id.empty()) {
    return fmt::format("the customer has none of what `match` says that {} knows them by", vendor);
  }
  if (IsNobody(id)) {
    return fmt::format("{} takes the id \"{}\" for nobody's", vendor, id);
  }
  return FieldsProblem(delivery, writes);
}

std::string UuidOf(std::string_view key) {
  const std::string hex = Sha256Hex(key);
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20, 12));
}

std::int64_t UnixMillis(TimePoint time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

const std::string& AccountId(const Delivery& delivery) {
  return IsAccount(delivery.customer) ? delivery.customer_key : delivery.payload.account;
}

std::string AccountToName(const Delivery& delivery, std::string_view match_account) {
  return match_account.empty() ? std::string() : AccountId(delivery);
}

bool IsAlike(const Delivery& first, const Delivery& other) {
  return first.kind == other.kind && IsAccount(first.customer) == IsAccount(other.customer);
}

std::string ContactId(const Delivery& delivery, std::string_view match_field) {
  if (IsAccount(delivery.customer)) {
    return delivery.kind == DeliveryKind::kSet ? delivery.customer_key : "";
  }
  if (!IsEmailField(match_field)) {
    return delivery.customer_key;
  }
  // Some workspaces have the address as the customer's key.
  return BareAddress(delivery.payload.to.empty() ? delivery.customer_key : delivery.payload.to)
      .value_or("");
}

boost::json::object TextsJson(const std::map<std::string, std::string>& texts) {
  boost::json::object object;
  for (const auto& [name, text] : texts) {
    object[name] = text;
  }
  return object;
}

std::vector<ContactGroup> GroupByContact(std::span<const Delivery> batch,
                                         std::string_view match_field) {
  std::vector<ContactGroup> groups;
  std::map<std::string, std::size_t> places;
  const bool by_address = IsEmailField(match_field) && !IsAccount(batch.front().customer);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    std::string id = ContactId(batch[i], match_field);
    const auto [place, is_new] = places.try_emplace(by_address ? ToLower(id) : id, groups.size());
    if (is_new) {
      groups.push_back({std::move(id), {}});
    }
    groups[place->second].members.push_back(i);
  }
  return groups;
}

std::map<std::string, std::string> ValuesOf(std::span<const Delivery> batch,
                                            const ContactGroup& group) {
  std::map<std::string, std::string> values;
  for (const std::size_t member : group.members) {
    for (const auto& [field, value] : batch[member].payload.values) {
      values[field] = value;
    }
  }
  return values;
}

VendorAttempt::VendorAttempt(const Vendor& vendor, std::span<const Delivery> batch,
                             std::span<const Exchange> done, const Session& session, TimePoint now)
    : vendor_(vendor), batch_(batch), done_(done), hidden_(vendor.secrets), now_(now) {
  for (const auto& [name, value] : session) {
    hidden_["session " + name] = value;
  }
}

const Reply* VendorAttempt::Take() {
  return taken_ < done_.size() ? &done_[taken_++].reply : nullptr;
}

Request VendorAttempt::Call(std::string_view method, std::string_view path,
                            std::string body) const {
  Request request;
  request.method = method;
  request.url = vendor_.base + std::string(path);
  request.timeout = vendor_.timeout;
  request.key = first().key;
  request.headers["Accept"] = "application/json";
  if (!body.empty()) {
    request.headers["Content-Type"] = "application/json";
    request.body = std::move(body);
  }
  return request;
}

std::string VendorAttempt::Words(std::string_view text) const {
  return CutWords(Redact(text, hidden_));
}

Outcome VendorAttempt::Say(Outcome::Kind kind, std::string_view words) const {
  Outcome outcome;
  outcome.kind = kind;
  outcome.detail = Words(words);
  return outcome;
}

Outcome VendorAttempt::Accepted(std::string_view vendor_id) const {
  Outcome outcome;
  outcome.kind = Outcome::Kind::kAccepted;
  outcome.vendor_id = Words(vendor_id);
  return outcome;
}

Outcome VendorAttempt::Misconfigured(std::string_view words) const {
  return Say(Outcome::Kind::kRetry, words);
}

Outcome VendorAttempt::Of(const Reply& reply) const {
  Outcome outcome = ClassifyHttp(RedactReply(reply, hidden_), now_);
  if (reply.kind == Reply::Kind::kAnswered && reply.status == 401) {
    outcome.kind = Outcome::Kind::kRetry;
    outcome.detail = CutWords(
        fmt::format("{} refuses the connector's credentials: {}", vendor_.name, outcome.detail));
  }
  return outcome;
}

Outcome VendorAttempt::OfReading(const Reply& reply) const {
  Outcome outcome = Of(reply);
  if (outcome.kind == Outcome::Kind::kUnknown) {
    outcome.kind = Outcome::Kind::kRetry;
  }
  return outcome;
}

Outcome VendorAttempt::Unreadable() const {
  return Say(Outcome::Kind::kUnknown, vendor_.name + " answered with what cannot be read");
}

Outcome VendorAttempt::NotAsWanted(const Reply& reply, bool reading) const {
  Outcome outcome = reading ? OfReading(reply) : Of(reply);
  if (outcome.kind == Outcome::Kind::kAccepted) {
    outcome = Unreadable();
    outcome.kind = reading ? Outcome::Kind::kRetry : Outcome::Kind::kUnknown;
  }
  return outcome;
}

std::optional<NextStep> VendorAttempt::Hindered(std::string_view problem) const {
  if (vendor_.base.empty()) {
    return Whole(Misconfigured("auth.url must begin with https://"));
  }
  return problem.empty() ? std::nullopt
                         : std::optional(Whole(Say(Outcome::Kind::kRefused, problem)));
}

NextStep VendorAttempt::Whole(const Outcome& outcome) const {
  Outcome one = outcome;
  if (batch_.size() > 1 && one.kind == Outcome::Kind::kRefused) {
    one.kind = Outcome::Kind::kSplit;
  }
  return std::vector<Outcome>(batch_.size(), one);
}

NextStep VendorAttempt::Each(std::span<const ContactGroup> groups,
                             std::span<const std::optional<Outcome>> outcomes) const {
  std::vector<Outcome> all(batch_.size(),
                           Say(Outcome::Kind::kUnknown, vendor_.name + " does not say what became "
                                                                       "of this one"));
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const std::size_t member : groups[i].members) {
      if (outcomes[i]) {
        all[member] = *outcomes[i];
      }
    }
  }
  return all;
}

}  // namespace segue
