// Replies from anywhere: every connector ends with an outcome whose words are one short line of
// UTF-8 without a secret, and every delivery makes a mail that has no line which it should not
// have.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/text.h"
#include "connectors/connector.h"

namespace segue {
namespace {

void Try(const std::string& bytes) {
  const Secrets secrets = {
      {"url", "https://h.example/secret-path"}, {"sign", "signing-key"}, {"password", "pass-word"}};
  ConnectorSettings settings;
  settings.text = {{"server", "mail.example:587"}, {"path", "out/"}};
  Delivery delivery;
  delivery.key = "key";
  delivery.payload.channel = "email";
  delivery.payload.from = "a@b.example";
  delivery.payload.to = "c@d.example";
  delivery.payload.subject = bytes;
  delivery.payload.text = bytes;
  delivery.payload.headers["List-Id"] = bytes;
  const std::string mail = MakeMail(delivery);
  SEGUE_CHECK(mail.substr(0, mail.find("\r\n\r\n")).find("\r\nBcc") == std::string::npos);

  Reply reply;
  reply.kind = bytes.size() % 3 == 0 ? Reply::Kind::kLost : Reply::Kind::kAnswered;
  reply.status = bytes.empty() ? 0 : static_cast<unsigned char>(bytes[0]) * 4;
  reply.headers["retry-after"] = bytes;
  reply.body = bytes + "signing-key" + bytes;
  reply.error = bytes + "pass-word";
  for (const ConnectorSpec* spec : kConnectors) {
    const auto connector = spec->make(settings, secrets);
    const Exchange done{{}, reply};
    Session session;
    const NextStep step =
        connector->Next(std::span(&delivery, 1), std::span(&done, 1), session, TimePoint());
    const Outcome& outcome = std::get<std::vector<Outcome>>(step).at(0);
    SEGUE_CHECK(outcome.detail.size() <= kWordsBytesMax && IsUtf8(outcome.detail));
    SEGUE_CHECK(outcome.detail.find_first_of("\r\n") == std::string::npos);
    SEGUE_CHECK(outcome.retry_after >= Duration::zero() && outcome.retry_after <= kDay);
    SEGUE_CHECK(outcome.detail.find("signing-key") == std::string::npos);
  }
}

}  // namespace
}  // namespace segue

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(data, data + size);
  segue::Try(bytes);
  (void)segue::BareAddress(bytes);
  return 0;
}
