// A delivery with everything in it, and connectors made by hand.

#pragma once

#include <memory>
#include <string>

#include "base/time.h"
#include "connectors/connector.h"

namespace segue {

inline const TimePoint kNow = FromMicros(1774497600000000);  // 2026-03-26 04:00 UTC

inline Delivery MakeDelivery(DeliveryKind kind) {
  Delivery delivery;
  delivery.id = 7;
  delivery.key = "0f3a9c5e77d1b2a4";
  delivery.kind = kind;
  delivery.connector = "test";
  delivery.purpose = "marketing";
  delivery.customer_key = "c-17";
  delivery.playbook = "risk_winback";
  delivery.step = "0";
  delivery.created = kNow;
  Payload& payload = delivery.payload;
  switch (kind) {
    case DeliveryKind::kMessage:
      payload.channel = "email";
      payload.template_id = "winback";
      payload.from = "Lumen <hello@lumen.example>";
      payload.reply_to = "help@lumen.example";
      payload.to = "lara@customer.example";
      payload.subject = "Come back & keep 20%";
      payload.html = "<p>Hello <b>Lara</b></p>\n";
      payload.text = "Hello Lara\n";
      payload.headers = {{"List-Unsubscribe", "<https://segue.lumen.example/u/abc>"},
                         {"List-Unsubscribe-Post", "List-Unsubscribe=One-Click"}};
      break;
    case DeliveryKind::kTask:
      payload.title = "Call Lara";
      payload.note = "She left a basket";
      payload.assignee = "sales@lumen.example";
      payload.priority = "high";
      payload.due = kNow + kDay;
      break;
    case DeliveryKind::kSet:
      payload.values = {{"segue_rfv", "at_risk"}};
      break;
    case DeliveryKind::kTrack:
      payload.name = "winback_finished";
      break;
    case DeliveryKind::kAudience:
      payload.name = "Win-back";
      payload.values = {{"action", "add"}};
      break;
  }
  return delivery;
}

inline const Secrets kSecrets = {{"url", "https://hooks.customer.example/in/T0ken+Path/9"},
                                 {"sign", "s1gn-\"secret\"-value"},
                                 {"user", "mail-user-7"},
                                 {"password", "pa55 w/ord\\&x"}};

inline ConnectorSettings MakeSettings(std::string_view type) {
  ConnectorSettings settings;
  settings.id = "test";
  settings.type = type;
  settings.text["server"] = "mail.lumen.example:587";
  settings.text["path"] = "outgoing/segue.jsonl";
  return settings;
}

inline std::unique_ptr<Connector> Make(std::string_view type) {
  return FindConnectorSpec(type)->make(MakeSettings(type), kSecrets);
}

inline Reply Answer(int status, std::string body = "") {
  Reply reply;
  reply.kind = Reply::Kind::kAnswered;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

inline Reply Failure(Reply::Kind kind, std::string error) {
  Reply reply;
  reply.kind = kind;
  reply.error = std::move(error);
  return reply;
}

// What a batch of one gets, by a connector that remembers nothing.
inline NextStep NextOf(const Connector& connector, const Delivery& delivery,
                       std::span<const Exchange> done = {}, TimePoint now = kNow) {
  Session session;
  return connector.Next(std::span(&delivery, 1), done, session, now);
}

inline Outcome OutcomeIn(const NextStep& step) {
  return std::get<std::vector<Outcome>>(step).at(0);
}

// What the connector makes of a delivery whose one request got this reply.
inline Outcome OutcomeOf(const Connector& connector, const Delivery& delivery, const Reply& reply) {
  const NextStep first = NextOf(connector, delivery);
  const Exchange done{std::get<Request>(first), reply};
  return OutcomeIn(NextOf(connector, delivery, std::span(&done, 1)));
}

}  // namespace segue
