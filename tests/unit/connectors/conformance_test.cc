// What every connector of the catalog must do, alone and with batches.  A new one is picked up from
// kConnectors.

#include <set>

#include <doctest/doctest.h>

#include "config/load.h"
#include "unit/connectors/vendors.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

constexpr std::string_view kWorkspaceText =
    "workspace: lumen\n"
    "currency: EUR\n";

// All secrets that any connector asks for, so that each can be echoed.
Secrets AllSecrets() {
  Secrets secrets = kSecrets;
  secrets.insert(kVendorSecrets.begin(), kVendorSecrets.end());
  return secrets;
}

// Some vendors take a key in the body, and nowhere else.
bool IsWantedInBody(std::string_view connector, std::string_view name, std::string_view url) {
  const auto is = [&](std::string_view part) { return url.find(part) != std::string_view::npos; };
  return (name == "transactional" && is("/api/1.4/")) ||
         (name == "project_token" && (is("/engage?") || is("/groups?"))) ||
         (name == "token" && connector == "amplitude") ||
         (name.starts_with("event_") && is("trackcmp.net")) || (name == "admin" && is("/messages"));
}

// A connector, a kind that it carries, and how many at once; fields also of accounts, where it can
// be told of them.
struct Case {
  const ConnectorSpec* spec;
  std::unique_ptr<Connector> connector;
  std::vector<Delivery> batch;
};

void ForEachCase(const std::function<void(const Case&)>& check) {
  for (const ConnectorSpec* spec : kConnectors) {
    for (const DeliveryKind kind : spec->carries()) {
      for (const int size : {1, 3}) {
        for (const bool account : {false, true}) {
          if (account && (kind != DeliveryKind::kSet || !AccountFieldOf(spec->name))) {
            continue;
          }
          Case one{spec, spec->make(VendorSettings(spec->name), AllSecrets()), {}};
          for (int whom = 1; whom <= size; ++whom) {
            const Delivery delivery = DeliveryFor(spec->name, kind, whom);
            one.batch.push_back(account ? AboutAccount(delivery, whom) : delivery);
          }
          const Delivery& first = one.batch.front();
          if (std::cmp_less(one.connector->BatchMax(first), size)) {
            continue;
          }
          REQUIRE((size == 1 || one.connector->Together(first, one.batch.back())));
          INFO("connector " << spec->name << ", " << size << " of " << DeliveryKindName(kind)
                            << (account ? " of accounts" : ""));
          check(one);
        }
      }
    }
  }
}

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
    ConnectorSettings settings = loaded.workspace->connectors[0];
    CHECK(settings.type == spec->name);
    // What protects a repeated call is the same whether the file or the catalog says it.
    CHECK(settings.dedupe == spec->dedupe);
    // The file's keys reach the connector.
    settings.writes.push_back("segue_rfv");
    const auto connector = spec->make(settings, AllSecrets());
    const std::vector batch = {DeliveryFor(spec->name, spec->carries()[0], 1)};
    CHECK(Tell(*connector, batch).outcomes[0].kind == Kind::kAccepted);
  }
}

TEST_CASE(
    "connectors: all that one carries is told, each delivery by its key, address or customer") {
  ForEachCase([](const Case& one) {
    const Told told = Tell(*one.connector, one.batch);
    REQUIRE(told.outcomes.size() == one.batch.size());
    REQUIRE_FALSE(told.done.empty());
    CHECK(told.done.size() <= 6);
    for (std::size_t i = 0; i < one.batch.size(); ++i) {
      INFO(told.outcomes[i].detail);
      CHECK(told.outcomes[i].kind == Kind::kAccepted);
      const bool named =
          std::any_of(told.done.begin(), told.done.end(), [&](const Exchange& exchange) {
            return exchange.request.body.find(one.batch[i].key) != std::string::npos ||
                   (!one.batch[i].payload.to.empty() &&
                    exchange.request.body.find(one.batch[i].payload.to) != std::string::npos) ||
                   exchange.request.body.find(one.batch[i].customer_key) != std::string::npos ||
                   exchange.request.key == one.batch[i].key;
          });
      CHECK(named);
    }
  });
}

TEST_CASE("connectors: the same batch is told in the same bytes each time") {
  ForEachCase([](const Case& one) {
    const Told first = Tell(*one.connector, one.batch);
    const Told again =
        Tell(*one.spec->make(VendorSettings(one.spec->name), AllSecrets()), one.batch);
    REQUIRE(again.done.size() == first.done.size());
    for (std::size_t i = 0; i < first.done.size(); ++i) {
      CHECK(again.done[i].request.method == first.done[i].request.method);
      CHECK(again.done[i].request.url == first.done[i].request.url);
      CHECK(again.done[i].request.headers == first.done[i].request.headers);
      CHECK(again.done[i].request.body == first.done[i].request.body);
      CHECK(again.done[i].request.key == first.done[i].request.key);
    }
  });
}

TEST_CASE("connectors: a later attempt carries the same key") {
  ForEachCase([](const Case& one) {
    std::vector<Delivery> later = one.batch;
    for (Delivery& delivery : later) {
      delivery.attempts = 4;
    }
    const Told told = Tell(*one.connector, later);
    CHECK(told.outcomes[0].kind == Kind::kAccepted);
    CHECK(told.done.back().request.key == one.batch[0].key);
  });
}

TEST_CASE("connectors: what cannot be told never stops the others of a batch") {
  ForEachCase([](const Case& one) {
    Delivery broken = one.batch[0];
    broken.payload.to = "nobody";
    broken.payload.assignee = "nobody";
    broken.customer_key.clear();
    if (std::cmp_less(1, one.connector->BatchMax(one.batch[0]))) {
      CHECK_FALSE(one.connector->Together(one.batch[0], broken));
      CHECK_FALSE(one.connector->Together(broken, one.batch[0]));
    }
  });
}

TEST_CASE(
    "connectors: every reply at every place ends the attempt, and what is unclear is never a "
    "success") {
  ForEachCase([](const Case& one) {
    const std::size_t places = Tell(*one.connector, one.batch).done.size();
    for (std::size_t place = 0; place < places; ++place) {
      const bool act = place + 1 == places;
      INFO("at " << place << " of " << places);
      for (const int status :
           {-1,  0,   99,  100, 200, 201, 202, 204, 206, 207, 226, 299, 300, 302, 304,
            308, 400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 414, 415, 422, 423,
            425, 429, 431, 451, 477, 499, 500, 501, 502, 503, 504, 521, 599, 600, 1000}) {
        const Told told = TellAt(*one.connector, one.batch, place, Answer(status, "words"));
        REQUIRE(told.outcomes.size() == one.batch.size());
        for (const Outcome& outcome : told.outcomes) {
          CHECK((!act || told.done.size() > places || outcome.kind != Kind::kAccepted ||
                 (status >= 200 && status < 300)));
          CHECK((one.batch.size() > 1 || outcome.kind != Kind::kSplit));
          CHECK(outcome.detail.size() <= kWordsBytesMax);
          CHECK(outcome.retry_after <= kDay);
        }
      }
      const Told not_sent =
          TellAt(*one.connector, one.batch, place, Failure(Reply::Kind::kNotSent, "refused"));
      CHECK(not_sent.outcomes[0].kind == Kind::kRetry);
      // A lost answer is unknown where something was to be done, and is asked for again elsewhere.
      const Told lost =
          TellAt(*one.connector, one.batch, place, Failure(Reply::Kind::kLost, "timed out"));
      const bool polled = lost.done[place].request.method == "GET";
      CHECK(lost.outcomes[0].kind == (act && !polled ? Kind::kUnknown : lost.outcomes[0].kind));
      CHECK((lost.outcomes[0].kind == Kind::kUnknown || lost.outcomes[0].kind == Kind::kRetry));
    }
  });
}

TEST_CASE(
    "connectors: a secret stands only where the vendor wants it, and in no text that is kept") {
  ForEachCase([](const Case& one) {
    Session session;
    const Told well = Tell(*one.connector, one.batch, VendorSays, session);
    Secrets secrets = AllSecrets();
    if (session.count("token") != 0) {
      secrets["session"] = session["token"];
    }
    for (const auto& [name, secret] : secrets) {
      INFO("secret " << name);
      for (const auto& [request, reply] : well.done) {
        CHECK((IsWantedInBody(one.spec->name, name, request.url) ||
               request.body.find(secret) == std::string::npos));
        for (const auto& [header, value] : request.headers) {
          CHECK((header == "Authorization" || header == "x-pendo-integration-key" ||
                 header == "Api-Token" || value.find(secret) == std::string::npos));
        }
      }
      // Nobody knows a token before the vendor gave it.
      for (std::size_t place = name == "session" ? 1 : 0; place < well.done.size(); ++place) {
        for (const int status : {200, 400, 401, 500}) {
          const std::string echo =
              R"({"id":")" + secret + R"(","message":"you sent )" + secret + " queued as " + secret;
          for (const std::string& body : {echo, echo + "\"}"}) {
            const Told told = TellAt(*one.connector, one.batch, place, Answer(status, body));
            for (const Outcome& outcome : told.outcomes) {
              CHECK(outcome.detail.find(secret) == std::string::npos);
              CHECK(outcome.vendor_id.find(secret) == std::string::npos);
            }
          }
        }
        for (const Reply::Kind failure : {Reply::Kind::kNotSent, Reply::Kind::kLost}) {
          const Told told =
              TellAt(*one.connector, one.batch, place, Failure(failure, "at " + secret));
          CHECK(told.outcomes[0].detail.find(secret) == std::string::npos);
        }
      }
    }
  });
}

}  // namespace
}  // namespace segue
