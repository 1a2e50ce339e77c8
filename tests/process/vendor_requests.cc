// Writes every request that the vendors' connectors can produce, as lines of JSON, for
// vendor_requests_test.py.  The vendors are played by tests/unit/connectors/vendors.h.

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "unit/connectors/vendors.h"

namespace segue {
namespace {

void Write(std::string_view type, const Request& request) {
  boost::json::object headers;
  for (const auto& [name, value] : request.headers) {
    headers[name] = value;
  }
  const boost::json::object line{{"connector", type},
                                 {"method", request.method},
                                 {"url", request.url},
                                 {"headers", std::move(headers)},
                                 {"body", request.body}};
  std::puts(boost::json::serialize(line).c_str());
}

using World = std::function<Reply(const Request&)>;

void WriteAttempt(std::string_view type, const Connector& connector,
                  const std::vector<Delivery>& batch, const World& world) {
  Session session;
  const Told told = Tell(connector, batch, world, session);
  for (const Exchange& exchange : told.done) {
    // Where Mailchimp leaves its archives is no part of its API.
    if (exchange.request.url.find("files.example") == std::string::npos) {
      Write(type, exchange.request);
    }
  }
}

// As VendorSays, with the less usual answers that lead to other requests.
Reply OtherSays(const Request& request) {
  const auto is = [&](std::string_view part) {
    return request.url.find(part) != std::string::npos;
  };
  if (is("/lists/object-type-id/")) {
    return Answer(200, R"({"list":{"listId":"5","processingType":"MANUAL"}})");
  }
  if (is("/batch/read")) {
    return Answer(200, R"({"results":[]})");
  }
  if (is("/3.0/batches/b1")) {
    return Answer(200, R"({"status":"finished","errored_operations":1,)"
                       R"("response_body_url":"https://files.example/b1"})");
  }
  return VendorSays(request);
}

// All ways in which a delivery of this kind can look.
std::vector<Delivery> Variants(std::string_view type, DeliveryKind kind) {
  std::vector<Delivery> variants = {DeliveryFor(type, kind, 1)};
  const auto add = [&](const auto& change) {
    variants.push_back(DeliveryFor(type, kind, 1));
    change(variants.back().payload);
  };
  switch (kind) {
    case DeliveryKind::kMessage:
      add([](Payload& payload) { payload.values["note"] = "<é> \"7\""; });
      if (type == "mailchimp") {
        add([](Payload& payload) { payload.name = "journey 12/3"; });
        add([](Payload& payload) { payload.name = "template welcome"; });
        add([](Payload& payload) {
          payload.name = "journey 12/3";
          payload.values["LESSON"] = "https://lumen.example/l";
        });
      }
      if (type == "pendo" || type == "appcues") {
        for (const std::string segment : {"segment Win-back", "segment new users"}) {
          add([&](Payload& payload) { payload.name = segment; });
          add([&](Payload& payload) {
            payload.name = segment;
            payload.values.clear();
          });
        }
      }
      break;
    case DeliveryKind::kTask:
      add([](Payload& payload) { payload.priority = "low"; });
      add([](Payload& payload) { payload.note.clear(); });
      add([](Payload& payload) { payload.to.clear(); });
      add([](Payload& payload) { payload.due = TimePoint(); });
      add([](Payload& payload) { payload.account = "Acme & Söhne"; });
      variants.push_back(AboutAccount(DeliveryFor(type, kind, 1)));
      break;
    case DeliveryKind::kSet:
      variants.push_back(AboutAccount(DeliveryFor(type, kind, 1)));
      add([](Payload& payload) { payload.values = {{"RFV", "5"}, {"segue_rfv", ""}}; });
      break;
    case DeliveryKind::kTrack:
      add([](Payload& payload) { payload.values = {{"level", "7"}}; });
      add([](Payload& payload) { payload.account = "Acme & Söhne"; });
      break;
    case DeliveryKind::kAudience:
      add([](Payload& payload) { payload.values["action"] = "remove"; });
      add([](Payload& payload) { payload.name = "A / B? (é)"; });
      break;
  }
  return variants;
}

void WriteAll(const ConnectorSpec& spec, const ConnectorSettings& settings) {
  const auto connector = spec.make(settings, kVendorSecrets);
  for (const DeliveryKind kind : spec.carries()) {
    for (const Delivery& variant : Variants(spec.name, kind)) {
      for (const std::size_t size : {std::size_t{1}, std::size_t{3}, std::size_t{1000}}) {
        std::vector<Delivery> batch;
        for (std::size_t i = 1; i <= std::min(size, connector->BatchMax(variant)); ++i) {
          batch.push_back(variant);
          batch.back().key += std::to_string(i);
          batch.back().customer_key += std::to_string(i);
          if (!variant.payload.to.empty()) {
            batch.back().payload.to = std::to_string(i) + variant.payload.to;
          }
        }
        for (const World& world : {World(VendorSays), World(OtherSays)}) {
          for (const int attempts : {0, 1}) {
            batch[0].attempts = attempts;
            WriteAttempt(spec.name, *connector, batch, world);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace segue

int main() {
  // Amplitude describes its API for people only.
  for (const std::string_view type :
       {"hubspot", "mailchimp", "salesforce", "pendo", "appcues", "mixpanel"}) {
    const segue::ConnectorSpec& spec = *segue::FindConnectorSpec(type);
    segue::ConnectorSettings settings = segue::VendorSettings(type);
    segue::WriteAll(spec, settings);
    const bool by_key = type == "pendo" || type == "appcues" || type == "mixpanel";
    settings.text["match.contact"] = by_key                 ? "email"
                                     : type == "salesforce" ? "Segue_Id__c"
                                                            : "segue_id";
    segue::WriteAll(spec, settings);
  }
  return 0;
}
