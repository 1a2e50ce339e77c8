// What the connectors of vendors with an HTTP API share: where the vendor is, reading an attempt's
// answers in the order in which they were asked for, and outcomes whose words are safe to keep.

#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/url.h"
#include "connectors/connector.h"

namespace segue {

// One account at a vendor.
struct Vendor {
  std::string name;  // For people: "HubSpot".
  std::string base;  // "https://api.hubapi.com"; empty when `auth.url` is no address to trust.
  Duration timeout = Duration::zero();
  Secrets secrets;
};

// `auth.url` where the file has one, else `standard`.  The address must be https, since a token
// goes there; http is for this machine only.
Vendor MakeVendor(std::string_view name, std::string_view standard,
                  const ConnectorSettings& settings, const Secrets& secrets);
// A plain key of the file, or `standard` when it is not there.
std::string SettingOr(const ConnectorSettings& settings, std::string_view key,
                      std::string_view standard);
// A secret, or nothing.
std::string SecretOr(const Secrets& secrets, std::string_view name);
// "Basic …" of "user:password".
std::string BasicAuth(std::string_view user_and_password);

// Whether the other side answered with that status, or with any 2xx.
bool Answered(const Reply& reply, int status);
bool Succeeded(const Reply& reply);
// The text as JSON; null when it is none, be it cut off or a page of HTML.
boost::json::value ParseJson(std::string_view text);
// The value at the end of the keys; null when something is missing on the way.
const boost::json::value& At(const boost::json::value& value,
                             std::initializer_list<std::string_view> keys);
// The entries of a list; none when it is no list.
std::span<const boost::json::value> ListAt(const boost::json::value& value, std::string_view key);
std::span<const boost::json::value> EntriesOf(const boost::json::value& list);
// What they find stands in the value, which must outlive it.
const boost::json::value& At(boost::json::value&&,
                             std::initializer_list<std::string_view>) = delete;
std::span<const boost::json::value> ListAt(boost::json::value&&, std::string_view) = delete;
std::span<const boost::json::value> EntriesOf(boost::json::value&&) = delete;
// A text as it is, a number in digits, nothing of anything else.
std::string TextAt(const boost::json::value& value, std::initializer_list<std::string_view> keys);
// A whole number from 0 as a place in a batch; nothing of anything else.
std::optional<std::size_t> PlaceIn(const boost::json::value& value);

// Whom the vendor is told about: the address where it is `match`ed by e-mail, else our own key of
// the customer. Empty when it is to be an address and there is none.  Of an account its fields are
// told, by its key; all else about one that has no contact is about nobody.
std::string ContactId(const Delivery& delivery, std::string_view match_field);
bool IsEmailField(std::string_view match_field);
// The key of the account that it is about, beside the contact or alone; empty when it is about
// none.
const std::string& AccountId(const Delivery& delivery);
// The same, where the file says how the vendor finds accounts.
std::string AccountToName(const Delivery& delivery, std::string_view match_account);
// Whether both are of one kind, and both about accounts or both about customers.
bool IsAlike(const Delivery& first, const Delivery& other);
// Ids that vendors of analytics refuse, or under which they gather all who have none.
bool IsNobody(std::string_view id);

// "123" of "segment 123" for the word "segment"; nothing when `use` says something else.
std::string AfterWord(std::string_view use, std::string_view word);
// Why fields of a delivery may not be written there; empty when they may.
std::string FieldsProblem(const Delivery& delivery, std::span<const std::string> writes);
// Why a vendor that finds accounts by `match_account` (empty: the file does not say) cannot be told
// of this account; empty when it can, or when it is about a customer.
std::string AccountProblem(std::string_view vendor, const Delivery& delivery,
                           std::string_view match_account);

// By what a vendor finds whom a delivery is about.
struct MatchFields {
  std::string contact;
  std::string account;  // Empty: the file does not say.
};

MatchFields MatchOf(const ConnectorSettings& settings, std::string_view standard);
// Why a vendor that carries fields and events only cannot be told of this delivery; empty when it
// can.
std::string FieldsAndEventsProblem(std::string_view vendor, const Delivery& delivery,
                                   const MatchFields& match, std::span<const std::string> writes);
// The delivery's key hashed into the form of ids that vendors take, 8-4-4-4-12 digits.
std::string UuidOf(std::string_view key);
// A moment as vendors of analytics count it.
std::int64_t UnixMillis(TimePoint time);

boost::json::object TextsJson(const std::map<std::string, std::string>& texts);

// Deliveries of one batch that speak of the same contact or account: a vendor refuses a batch that
// names one twice.  Addresses are the same whatever the size of their letters, our keys are not.
struct ContactGroup {
  std::string id;
  std::vector<std::size_t> members;  // Of the batch, in its order.
};

std::vector<ContactGroup> GroupByContact(std::span<const Delivery> batch,
                                         std::string_view match_field);
// Their values together; where two say a field, the later one holds.
std::map<std::string, std::string> ValuesOf(std::span<const Delivery> batch,
                                            const ContactGroup& group);

// One attempt.  A connector reads it from the start at every call: it takes the answer to each
// request of its script in turn, and returns the first request that has none yet.
class VendorAttempt {
 public:
  VendorAttempt(const Vendor& vendor, std::span<const Delivery> batch,
                std::span<const Exchange> done, const Session& session, TimePoint now);

  std::span<const Delivery> batch() const { return batch_; }

  const Delivery& first() const { return batch_.front(); }

  TimePoint now() const { return now_; }

  // The answer to the next request; null when it has yet to be performed.
  const Reply* Take();
  // A request with JSON; the path stands below the vendor's address.  An empty body is none.
  Request Call(std::string_view method, std::string_view path, std::string body) const;

  // Without the secrets, cut.
  std::string Words(std::string_view text) const;
  Outcome Say(Outcome::Kind kind, std::string_view words) const;
  Outcome Accepted(std::string_view vendor_id) const;
  // The connector is set up wrongly: nobody judged the delivery, so it is still there once that is
  // mended.
  Outcome Misconfigured(std::string_view words) const;
  // What ends the attempt before its first request: the vendor has no address to trust, or the
  // delivery has this problem (empty: none).
  std::optional<NextStep> Hindered(std::string_view problem) const;
  // What an answer means when nothing special is known: ClassifyHttp, but 401 is tried again, since
  // it judges our credentials and not the delivery.
  Outcome Of(const Reply& reply) const;
  // The same for a call that changed nothing: a lost answer is simply asked for again.
  Outcome OfReading(const Reply& reply) const;
  // A 2xx answer whose body makes no sense.
  Outcome Unreadable() const;
  // What an answer means that is not the wanted one: a 2xx that does not say what it should says
  // nothing.  `reading`: as OfReading.
  Outcome NotAsWanted(const Reply& reply, bool reading = false) const;

  // The same for the whole batch.  A refusal of several at once says nothing of each, so it splits
  // them.
  NextStep Whole(const Outcome& outcome) const;
  // An outcome of each group, given to its members; a group without one is unknown.
  NextStep Each(std::span<const ContactGroup> groups,
                std::span<const std::optional<Outcome>> outcomes) const;

 private:
  const Vendor& vendor_;
  std::span<const Delivery> batch_;
  std::span<const Exchange> done_;
  std::size_t taken_ = 0;
  Secrets hidden_;  // The vendor's secrets and the session's.
  TimePoint now_;
};

}  // namespace segue
