// Replies from anywhere: every connector ends with one outcome per delivery whose words are one
// short line of UTF-8 without a secret, whatever a vendor answers at whichever step; so does every
// hook that a vendor signs; and every delivery makes a mail that has no line which it should not
// have.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "connectors/archive.h"
#include "connectors/connector.h"
#include "connectors/inbound.h"

namespace segue {
namespace {

const Secrets kSecrets = {{"url", "https://h.example/secret-path"},
                          {"sign", "signing-key"},
                          {"password", "pass-word"},
                          {"token", "api-token-us21"},
                          {"transactional", "transactional-key"},
                          {"admin", "394051"},
                          {"event_account", "66000123"},
                          {"event_key", "event-key"},
                          {std::string(kHookSecret), "hook-secret"}};

Delivery MakeDelivery(DeliveryKind kind, int customer, const std::string& bytes) {
  Delivery delivery;
  delivery.key = "key" + std::to_string(customer);
  delivery.kind = kind;
  delivery.attempts = customer % 2;
  Payload& payload = delivery.payload;
  payload.channel = "email";
  payload.from = "a@b.example";
  payload.to = std::to_string(customer) + "c@d.example";
  payload.assignee = "sales@d.example";
  constexpr std::array<const char*, 5> kUses = {"email 7", "automation 7", "event seen",
                                                "segment tag", ""};
  const char* const use = kUses[bytes.size() % kUses.size()];
  payload.name = kind == DeliveryKind::kMessage ? use : "Name";
  if (payload.name.empty()) {
    payload.channel = "in_app";
    payload.text = "text";
  }
  payload.values = {{"field", "value"}};
  return delivery;
}

// The answers in turn are the parts between bytes of 0xff.
Reply MakeReply(std::string_view part) {
  Reply reply;
  reply.kind = part.size() % 7 == 6 ? Reply::Kind::kLost : Reply::Kind::kAnswered;
  const auto first = part.empty() ? 0 : static_cast<unsigned char>(part[0]);
  reply.status = first < 128 ? 200 : first * 4;
  reply.headers["retry-after"] = part;
  reply.body =
      first < 128 ? std::string(part) : "signing-key" + std::string(part) + "api-token-us21";
  reply.error = std::string(part) + "pass-word";
  return reply;
}

void TryReplies(const ConnectorSpec& spec, DeliveryKind kind, const std::string& bytes) {
  ConnectorSettings settings;
  settings.text = {{"server", "mail.example:587"}, {"path", "out/"}, {"list", "L"}};
  settings.writes = {"field"};
  const auto connector = spec.make(settings, kSecrets);
  std::vector<Delivery> batch = {MakeDelivery(kind, 1, bytes)};
  if (connector->BatchMax(batch[0]) > 1) {
    batch.push_back(MakeDelivery(kind, 2, bytes));
  }
  const std::vector<std::string_view> parts = Split(bytes, '\xff');
  Session session = {{"token", "session-token"}, {"instance", "https://i.example"}};
  if (bytes.size() % 3 == 0) {
    session["list"] = "list-id";
  }
  std::vector<Exchange> done;
  std::vector<Outcome> outcomes;
  while (outcomes.empty()) {
    SEGUE_CHECK(done.size() <= 20);
    NextStep step = connector->Next(batch, done, session, TimePoint());
    if (auto* request = std::get_if<Request>(&step)) {
      done.push_back({std::move(*request), MakeReply(parts[done.size() % parts.size()])});
    } else {
      outcomes = std::get<std::vector<Outcome>>(std::move(step));
    }
  }
  SEGUE_CHECK(outcomes.size() == batch.size());
  for (const Outcome& outcome : outcomes) {
    SEGUE_CHECK(outcome.kind != Outcome::Kind::kSplit || batch.size() > 1);
    SEGUE_CHECK(outcome.retry_after >= Duration::zero() && outcome.retry_after <= kDay);
    for (const std::string& words : {outcome.detail, outcome.vendor_id}) {
      SEGUE_CHECK(words.size() <= kWordsBytesMax && IsUtf8(words));
      SEGUE_CHECK(words.find_first_of("\r\n") == std::string::npos);
      SEGUE_CHECK(words.find("signing-key") == std::string::npos);
      SEGUE_CHECK(words.find("api-token-us21") == std::string::npos);
    }
  }
}

void TryHook(std::string_view type, const std::string& bytes) {
  ConnectorSettings settings;
  settings.type = type;
  const HookRequest request = {"POST",
                               "secret=hook-secret",
                               {{"x-hub-signature", "sha1=" + HmacSha1Hex("hook-secret", bytes)}},
                               bytes};
  const HookAnswer answer = ReadHook(settings, kSecrets, request);
  if (const auto* refusal = std::get_if<HookRefusal>(&answer)) {
    SEGUE_CHECK(refusal->status == 400 || refusal->status == 413);
    return;
  }
  for (const VendorNews& news : std::get<std::vector<VendorNews>>(answer)) {
    SEGUE_CHECK(!news.address.empty() || !news.customer_key.empty());
    SEGUE_CHECK(news.address.find_first_of("\r\n <>,") == std::string::npos);
    SEGUE_CHECK(IsUtf8(news.address) && IsUtf8(news.customer_key));
    SEGUE_CHECK(news.words.size() <= kWordsBytesMax && IsUtf8(news.words));
    SEGUE_CHECK(news.words.find_first_of("\r\n") == std::string::npos);
    SEGUE_CHECK(news.words.find("hook-secret") == std::string::npos);
  }
}

void TryMail(const std::string& bytes) {
  Delivery delivery = MakeDelivery(DeliveryKind::kMessage, 1, bytes);
  delivery.payload.subject = bytes;
  delivery.payload.text = bytes;
  delivery.payload.headers["List-Id"] = bytes;
  const std::string mail = MakeMail(delivery);
  SEGUE_CHECK(mail.substr(0, mail.find("\r\n\r\n")).find("\r\nBcc") == std::string::npos);
}

}  // namespace
}  // namespace segue

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(data, data + size);
  segue::TryMail(bytes);
  for (const segue::ConnectorSpec* spec : segue::kConnectors) {
    for (const segue::DeliveryKind kind : spec->carries()) {
      segue::TryReplies(*spec, kind, bytes);
    }
  }
  for (const char* type : {"activecampaign", "intercom", "mailchimp"}) {
    segue::TryHook(type, bytes);
  }
  (void)segue::ReadTarGz(bytes);
  (void)segue::BareAddress(bytes);
  return 0;
}
