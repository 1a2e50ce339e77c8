// Connectors in files: what each type asks for, and hooks.

#include <doctest/doctest.h>

#include "config/load.h"

namespace segue {
namespace {

Loaded LoadConnector(const std::string& document) {
  return LoadWorkspace({{"config/connector.yaml", document},
                        {"config/segue.yaml", "workspace: lumen\ncurrency: EUR\n"}},
                       std::make_shared<TextPool>());
}

// "" where the file is without a fault.
std::string FaultOf(const std::string& document) {
  const Loaded loaded = LoadConnector(document);
  return FormatDiagnostics(loaded.diagnostics, loaded.files, false);
}

bool Says(const std::string& document, const std::string& words) {
  const std::string fault = FaultOf(document);
  INFO(fault);
  CHECK(fault.find(words) != std::string::npos);
  return fault.find(words) != std::string::npos;
}

constexpr const char* kIntercom =
    "connector: chat\ntype: intercom\nauth: {token: env:T, admin: env:A}\n";

TEST_CASE("a connector's hooks have a path of their own, and their secret is one of its secrets") {
  const Loaded loaded =
      LoadConnector(std::string(kIntercom) + "inbound: {path: /hooks/chat, secret: cred:hook}\n");
  REQUIRE(loaded.workspace != nullptr);
  const ConnectorSettings& settings = loaded.workspace->connectors.at(0);
  CHECK(settings.text.at("inbound.path") == "/hooks/chat");
  CHECK(settings.auth.at("inbound.secret") == "cred:hook");
  CHECK(settings.auth.at("admin") == "env:A");
  CHECK(LoadConnector(kIntercom).workspace->connectors.at(0).text.count("inbound.path") == 0);
}

TEST_CASE("hooks that cannot work are errors") {
  const std::string intercom = kIntercom;
  CHECK(Says(intercom + "inbound: {path: /hooks/chat}\n", "SG006: `inbound.secret` is missing"));
  CHECK(Says(intercom + "inbound: {secret: cred:hook}\n", "SG006: `inbound.path` is missing"));
  CHECK(Says(intercom + "inbound: {path: /hooks/chat, secret: hunter2}\n", "SG060"));
  for (const char* path :
       {"/hooks/", "/hook/chat", "hooks/chat", "\"/hooks/a?b=c\"", "\"/hooks/a b\"",
        "\"/hooks/a#b\"", "\"https://segue.example/hooks/chat\"", "/", "/hooks/é"}) {
    INFO(path);
    CHECK(Says(intercom + "inbound: {path: " + path + ", secret: cred:hook}\n",
               "`inbound.path` wants a path below /hooks/"));
  }
  for (const char* type : {"webhook", "hubspot", "churned"}) {
    CHECK(Says("connector: c\ntype: " + std::string(type) +
                   "\nauth: {url: env:U, token: env:T}\n"
                   "inbound: {path: /hooks/c, secret: cred:hook}\n",
               "connectors of type " + std::string(type) + " have no `inbound`"));
  }
  const std::string hooks = "inbound: {path: /hooks/same, secret: cred:hook}\n";
  CHECK(Says(intercom + hooks +
                 "---\nconnector: list\ntype: mailchimp\nauth: {token: env:M}\n"
                 "list: all\n" +
                 hooks,
             "connector chat has its hooks at /hooks/same already"));
}

TEST_CASE("what a type of connector cannot do without is asked for") {
  CHECK(FaultOf(kIntercom).empty());
  CHECK(Says("connector: c\ntype: intercom\n", "`auth.token` is missing"));
  CHECK(Says("connector: c\ntype: churned\n", "`auth.token` is missing"));
  CHECK(
      Says("connector: c\ntype: activecampaign\nauth: {token: env:T}\n", "`auth.url` is missing"));
  CHECK(Says("connector: c\ntype: churned\nauth: {token: env:T}\nheader: \"X Key\"\n", "`header`"));
  CHECK(
      Says("connector: c\ntype: churned\nauth: {token: env:T}\nheader: \"X-Key:\"\n", "`header`"));
  CHECK(FaultOf("connector: c\ntype: churned\nauth: {token: env:T}\nheader: X-Key\n").empty());
}

TEST_CASE("a secret that the type does not ask for is a slip of the pen") {
  CHECK(Says(std::string(kIntercom).replace(std::string(kIntercom).find("admin:"), 6, "admn: "),
             "SG001: connectors of type intercom have no secret `auth.admn`"));
  CHECK(Says("connector: c\ntype: hubspot\nauth: {token: env:T, tokn: env:U}\n",
             "did you mean `token`?"));
}

TEST_CASE("ActiveCampaign is called as often as an account may be, unless the file says less") {
  const std::string campaign =
      "connector: c\ntype: activecampaign\nauth: {url: env:U, token: env:T}\n";
  const auto settings = [](const std::string& document) {
    return LoadConnector(document).workspace->connectors.at(0);
  };
  CHECK(settings(campaign).rate_calls == 5);
  CHECK(settings(campaign).rate_per == std::chrono::seconds(1));
  CHECK(settings(campaign).dedupe == Dedupe::kLookup);
  CHECK(settings(campaign + "rate: 2 per 10s\n").rate_calls == 2);
  CHECK_FALSE(settings(kIntercom).rate_calls.has_value());
  CHECK(settings(kIntercom).dedupe == Dedupe::kNone);
}

}  // namespace
}  // namespace segue
