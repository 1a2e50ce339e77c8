// What each vendor's hooks look like, and how each proves that they are its own.
//
//   intercom         JSON; X-Hub-Signature: sha1=HEX, HMAC-SHA1 of the raw body with the secret
//   mailchimp        a form; nothing is signed, so the secret stands in the address: ?secret=…
//   activecampaign   the same
//
// Whoever saves the address of a hook at Mailchimp or Intercom has it called once, with GET or
// HEAD.

#include "connectors/inbound.h"

#include <algorithm>
#include <array>
#include <chrono>

#include <boost/json/value.hpp>

#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/zone.h"
#include "connectors/vendor.h"

namespace segue {
namespace {

// Keys of ours are shorter; a longer one was not given to the vendor by us.
constexpr std::size_t kCustomerKeyBytesMax = 512;

HookAnswer RefusedHook(int status, std::string_view words) {
  return HookRefusal{status, std::string(words)};
}

int HexDigit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

// A name or value as forms and queries write it; what is no code stays as it is.
std::string FormText(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool code = text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
                      HexDigit(text[i + 2]) >= 0;
    if (code) {
      plain += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      plain += text[i] == '+' ? ' ' : text[i];
    }
  }
  return plain;
}

// The last value of that name; nothing when there is none.
std::optional<std::string> FormField(std::string_view form, std::string_view name) {
  std::optional<std::string> found;
  for (const std::string_view field : Split(form, '&')) {
    const std::size_t equals = std::min(field.find('='), field.size());
    if (FormText(field.substr(0, equals)) == name) {
      found = FormText(field.substr(std::min(equals + 1, field.size())));
    }
  }
  return found;
}

std::string FormFieldOr(std::string_view form, std::string_view name) {
  return FormField(form, name).value_or("");
}

std::optional<TimePoint> TimeIn(std::string_view text) {
  const Result<TimePoint> time = ParseTime(text, *Zone::Find("UTC"));
  return time ? std::optional(*time) : std::nullopt;
}

std::optional<TimePoint> UnixTimeIn(const boost::json::value& value) {
  constexpr std::int64_t kLatest = 7'258'118'400;  // The year 2200.
  const std::int64_t* seconds = value.if_int64();
  if (seconds == nullptr || *seconds <= 0 || *seconds >= kLatest) {
    return std::nullopt;
  }
  return TimePoint(std::chrono::seconds(*seconds));
}

bool IsYes(const boost::json::value& value) {
  return value.is_bool() && value.get_bool();
}

// Intercom
// -------------------------------------------------------------------------------------------

bool IsSigned(const HookRequest& request, const std::string& secret) {
  constexpr std::string_view kScheme = "sha1=";
  const auto header = request.headers.find("x-hub-signature");
  if (secret.empty() || header == request.headers.end() || !header->second.starts_with(kScheme)) {
    return false;
  }
  return SameSecret(HmacSha1Hex(secret, request.body),
                    ToLower(std::string_view(header->second).substr(kScheme.size())));
}

// A notification is about an item, which is a contact or has one.  Whatever the topic, the contact
// says how it stands with mail.
std::vector<VendorNews> IntercomNews(const boost::json::value& body, const std::string& topic) {
  const boost::json::value& item = At(body, {"data", "item"});
  const boost::json::value& inner = At(item, {"contact"});
  const boost::json::value& contact = inner.is_object() ? inner : item;
  VendorNews news;
  news.address = BareAddress(TextAt(contact, {"email"})).value_or("");
  for (const char* name : {"user_id", "external_id"}) {
    if (std::string key = TextAt(contact, {name}); !key.empty()) {
      news.customer_key = std::move(key);
    }
  }
  if (news.customer_key.size() > kCustomerKeyBytesMax) {
    news.customer_key.clear();
  }
  news.when = UnixTimeIn(At(body, {"created_at"}));
  news.words = CutWords("Intercom: " + topic);
  std::vector<VendorNews> all;
  const bool left = topic == "contact.unsubscribed" || topic == "user.unsubscribed" ||
                    IsYes(At(contact, {"unsubscribed_from_emails"}));
  if (IsYes(At(contact, {"marked_email_as_spam"}))) {
    news.kind = VendorNews::Kind::kComplaint;
    all.push_back(news);
  } else if (left) {
    news.kind = VendorNews::Kind::kOptOut;
    all.push_back(news);
  }
  if (IsYes(At(contact, {"has_hard_bounced"}))) {
    news.kind = VendorNews::Kind::kBounce;
    all.push_back(news);
  }
  return all;
}

HookAnswer ReadIntercomHook(const std::string& secret, const HookRequest& request) {
  if (request.method != "POST") {
    return std::vector<VendorNews>();  // Is anybody there?
  }
  if (!IsSigned(request, secret)) {
    return RefusedHook(401, "the signature is missing or wrong");
  }
  const boost::json::value body = ParseJson(request.body);
  const std::string topic = TextAt(body, {"topic"});
  if (topic.empty()) {
    return RefusedHook(400, "this is no notification of Intercom's: it has no topic");
  }
  return IntercomNews(body, topic);
}

// Forms
// -------------------------------------------------------------------------------------------

// What of a form says who and when, and what of its types are news.
struct FormHook {
  std::string_view vendor, address, time;
  std::optional<VendorNews::Kind> (*kind)(std::string_view type, std::string_view form);
  std::string_view reason;  // The field with more words.
};

std::optional<VendorNews::Kind> MailchimpKind(std::string_view type, std::string_view form) {
  const bool abuse = FormFieldOr(form, "data[reason]") == "abuse";
  if (type == "unsubscribe") {
    return abuse ? VendorNews::Kind::kComplaint : VendorNews::Kind::kOptOut;
  }
  if (type == "cleaned") {
    return abuse ? VendorNews::Kind::kComplaint : VendorNews::Kind::kBounce;
  }
  return std::nullopt;
}

std::optional<VendorNews::Kind> ActiveCampaignKind(std::string_view type, std::string_view form) {
  if (type == "unsubscribe") {
    return VendorNews::Kind::kOptOut;
  }
  // A soft bounce is a full mailbox: tomorrow it may not be.
  if (type == "bounce" && ToLower(FormFieldOr(form, "bounce[type]")) != "soft") {
    return VendorNews::Kind::kBounce;
  }
  return std::nullopt;
}

constexpr FormHook kMailchimpHook = {"Mailchimp", "data[email]", "fired_at", MailchimpKind,
                                     "data[reason]"};
constexpr FormHook kActiveCampaignHook = {"ActiveCampaign", "contact[email]", "date_time",
                                          ActiveCampaignKind, "unsubscribe[reason]"};

HookAnswer ReadFormHook(const FormHook& hook, const std::string& secret,
                        const HookRequest& request) {
  if (!SameSecret(secret, FormFieldOr(request.query, "secret"))) {
    return RefusedHook(401, "the secret in the address is missing or wrong");
  }
  if (request.method != "POST" || request.body.empty()) {
    return std::vector<VendorNews>();  // Is anybody there?
  }
  const std::string type = FormFieldOr(request.body, "type");
  if (type.empty()) {
    return RefusedHook(400, "this is no hook of " + std::string(hook.vendor) + "'s: no type");
  }
  const std::optional<VendorNews::Kind> kind = hook.kind(type, request.body);
  if (!kind) {
    return std::vector<VendorNews>();
  }
  const auto address = BareAddress(FormFieldOr(request.body, hook.address));
  if (!address) {
    return RefusedHook(400, std::string(hook.vendor) + " names no mail address");
  }
  VendorNews news;
  news.kind = *kind;
  news.address = *address;
  news.when = TimeIn(FormFieldOr(request.body, hook.time));
  const std::string reason = FormFieldOr(request.body, hook.reason);
  news.words = CutWords(std::string(hook.vendor) + ": " + type + " " + reason);
  return std::vector{std::move(news)};
}

// All
// -------------------------------------------------------------------------------------------

struct HookReader {
  std::string_view connector_type;
  HookAnswer (*read)(const std::string& secret, const HookRequest& request);
};

constexpr std::array kHookReaders = {
    HookReader{"activecampaign",
               [](const std::string& secret, const HookRequest& request) {
                 return ReadFormHook(kActiveCampaignHook, secret, request);
               }},
    HookReader{"intercom", ReadIntercomHook},
    HookReader{"mailchimp",
               [](const std::string& secret, const HookRequest& request) {
                 return ReadFormHook(kMailchimpHook, secret, request);
               }},
};

const HookReader* FindHookReader(std::string_view connector_type) {
  const auto* const found =
      std::find_if(kHookReaders.begin(), kHookReaders.end(),
                   [&](const HookReader& one) { return one.connector_type == connector_type; });
  return found == kHookReaders.end() ? nullptr : found;
}

}  // namespace

std::string_view VendorNewsName(VendorNews::Kind kind) {
  switch (kind) {
    case VendorNews::Kind::kOptOut:
      return "opt_out";
    case VendorNews::Kind::kBounce:
      return "bounce";
    case VendorNews::Kind::kComplaint:
      break;
  }
  return "complaint";
}

bool HasHooks(std::string_view connector_type) {
  return FindHookReader(connector_type) != nullptr;
}

HookAnswer ReadHook(const ConnectorSettings& settings, const Secrets& secrets,
                    const HookRequest& request) {
  const HookReader* reader = FindHookReader(settings.type);
  SEGUE_CHECK(reader != nullptr);
  if (request.method != "POST" && request.method != "GET" && request.method != "HEAD") {
    return RefusedHook(405, "hooks are told by POST");
  }
  if (request.body.size() > kHookBytesMax) {
    return RefusedHook(413, "this is too large for a hook");
  }
  HookAnswer answer = reader->read(SecretOr(secrets, kHookSecret), request);
  const bool by_address = IsEmailField(SettingOr(settings, "match.contact", ""));
  if (auto* all = std::get_if<std::vector<VendorNews>>(&answer)) {
    for (VendorNews& news : *all) {
      news.words = CutWords(Redact(news.words, secrets));
      // Where people are matched by address, what the vendor calls a key is not one of ours.
      news.customer_key = by_address ? "" : news.customer_key;
    }
    std::erase_if(*all, [](const VendorNews& news) {
      return news.address.empty() && news.customer_key.empty();
    });
  }
  return answer;
}

}  // namespace segue
