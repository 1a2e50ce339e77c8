// What every connector of the catalog must do.  A new one is picked up from kConnectors.

#include <set>

#include <doctest/doctest.h>

#include "config/load.h"
#include "unit/connectors/fixture.h"

namespace segue {
namespace {

constexpr std::string_view kWorkspaceText =
    "workspace: lumen\n"
    "currency: EUR\n";

TEST_CASE("connectors: the catalog names each once, and finds it") {
  std::set<std::string_view> names;
  for (const ConnectorSpec* spec : kConnectors) {
    CHECK(names.insert(spec->name).second);
    CHECK(FindConnectorSpec(spec->name) == spec);
    CHECK_FALSE(spec->summary.empty());
    CHECK_FALSE(spec->carries().empty());
  }
  CHECK(FindConnectorSpec("carrier_pigeon") == nullptr);
}

TEST_CASE("connectors: the example of each is a valid document of its type") {
  for (const ConnectorSpec* spec : kConnectors) {
    INFO("connector " << spec->name);
    const Loaded loaded = LoadWorkspace({{"config/connector.yaml", std::string(spec->example)},
                                         {"config/segue.yaml", std::string(kWorkspaceText)}},
                                        std::make_shared<TextPool>());
    INFO(FormatDiagnostics(loaded.diagnostics, loaded.files, false));
    REQUIRE(loaded.workspace != nullptr);
    REQUIRE(loaded.workspace->connectors.size() == 1);
    CHECK(loaded.workspace->connectors[0].type == spec->name);
    // The file's keys reach the connector.
    const auto connector = spec->make(loaded.workspace->connectors[0], kSecrets);
    const NextStep step = NextOf(*connector, MakeDelivery(spec->carries()[0]));
    CHECK(std::holds_alternative<Request>(step));
  }
}

TEST_CASE(
    "connectors: everything that one carries becomes a request, the same each time, with the "
    "delivery's key") {
  for (const ConnectorSpec* spec : kConnectors) {
    for (const DeliveryKind kind : spec->carries()) {
      INFO("connector " << spec->name << ", " << DeliveryKindName(kind));
      const auto connector = Make(spec->name);
      const Delivery delivery = MakeDelivery(kind);
      const NextStep first = NextOf(*connector, delivery);
      REQUIRE(std::holds_alternative<Request>(first));
      const Request request = std::get<Request>(first);
      CHECK(request.key == delivery.key);
      const Request again = std::get<Request>(NextOf(*Make(spec->name), delivery));
      CHECK(again.body == request.body);
      CHECK(again.url == request.url);
      CHECK(again.headers == request.headers);
      CHECK(again.key == request.key);
      // A later attempt carries the same key too.
      Delivery later = delivery;
      later.attempts = 4;
      CHECK(std::get<Request>(NextOf(*connector, later, {}, kNow + kDay)).key == delivery.key);
    }
  }
}

TEST_CASE(
    "connectors: every reply ends the attempt, and what is unclear is never called a success") {
  for (const ConnectorSpec* spec : kConnectors) {
    const auto connector = Make(spec->name);
    const Delivery delivery = MakeDelivery(spec->carries()[0]);
    INFO("connector " << spec->name);
    for (int status = -1; status <= 1000; ++status) {
      const Outcome outcome = OutcomeOf(*connector, delivery, Answer(status, "words"));
      CHECK((outcome.kind != Outcome::Kind::kAccepted || (status >= 200 && status < 300)));
      CHECK(outcome.detail.size() <= kWordsBytesMax);
    }
    CHECK(OutcomeOf(*connector, delivery, Failure(Reply::Kind::kNotSent, "x")).kind ==
          Outcome::Kind::kRetry);
    CHECK(OutcomeOf(*connector, delivery, Failure(Reply::Kind::kLost, "x")).kind ==
          Outcome::Kind::kUnknown);
  }
}

TEST_CASE(
    "connectors: no secret stands in a body, a header that is not its own, or a text that is "
    "kept") {
  for (const ConnectorSpec* spec : kConnectors) {
    const auto connector = Make(spec->name);
    for (const DeliveryKind kind : spec->carries()) {
      const Delivery delivery = MakeDelivery(kind);
      const Request request = std::get<Request>(NextOf(*connector, delivery));
      for (const auto& [name, secret] : kSecrets) {
        INFO("connector " << spec->name << ", secret " << name);
        CHECK(request.body.find(secret) == std::string::npos);
        for (const auto& [header, value] : request.headers) {
          CHECK(value.find(secret) == std::string::npos);
        }
        for (const int status : {200, 400, 429, 500, 550}) {
          const std::string echo = "you sent " + secret + " queued as " + secret;
          const Outcome outcome = OutcomeOf(*connector, delivery, Answer(status, echo));
          CHECK(outcome.detail.find(secret) == std::string::npos);
          CHECK(outcome.vendor_id.find(secret) == std::string::npos);
        }
        for (const Reply::Kind failure : {Reply::Kind::kNotSent, Reply::Kind::kLost}) {
          const Outcome outcome = OutcomeOf(*connector, delivery, Failure(failure, "at " + secret));
          CHECK(outcome.detail.find(secret) == std::string::npos);
        }
      }
    }
  }
}

}  // namespace
}  // namespace segue
