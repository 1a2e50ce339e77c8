// What check says of accounts: tools that cannot be told of them, and steps that reach nobody.

#include <doctest/doctest.h>

#include "config/yaml.h"
#include "example.h"

namespace segue {
namespace {

std::string AccountProblems(const std::vector<SourceFile>& files) {
  const Loaded loaded = Load(files);
  return FormatDiagnostics(Problems(loaded), loaded.files, false);
}

TEST_CASE("how a tool finds accounts is a field of yours, one of its own, or not to be said") {
  CheckGolden("diagnostics/SG005_accounts.txt", AccountProblems(SmallFiles(R"(connector: news
type: mailchimp
auth: {token: env:KEY}
list: customers
match: {contact: email, account: company}
---
connector: team
type: slack
auth: {url: env:URL}
match: {account: channel}
---
connector: product
type: pendo
auth: {token: env:KEY}
match: {account: company}
---
connector: crm
type: hubspot
auth: {token: env:KEY}
match: {account: whatever_you_like}
)")));
}

TEST_CASE(
    "what nobody of an account can be told is found at the step, by each tool that is asked") {
  std::string workspace(kSmallWorkspace);
  const std::string tools = "profile: tasks, analytics: tasks}";
  workspace.replace(workspace.find(tools), tools.size(),
                    "profile: [tasks, product, crm, news], analytics: [tasks, product], audience: "
                    "tasks}\naudiences: {firms: Firms}");
  const std::string rules = R"(connector: product
type: pendo
auth: {token: env:KEY}
writes: [size]
---
connector: crm
type: hubspot
auth: {token: env:KEY}
match: {account: segue_account_id}
writes: [size]
---
connector: news
type: mailchimp
auth: {token: env:KEY}
list: customers
writes: [size]
---
model: size
of: account
every: day at 04:00
segments:
  - {id: named, when: exists(account.name)}
  - {id: other, when: otherwise}
---
playbook: p
purpose: success
on: {model: size, to: named}
do:
  - set: {size: named}
  - track: won
  - audience: {add: firms}
  - send: hello
  - send: hello
    to: everyone
limits: {reenter: never}
---
playbook: of_people
purpose: success
on: {model: rfm, to: fading}
do:
  - set: {size: other}
  - track: won
  - audience: {add: firms}
limits: {reenter: never}
)";
  const auto files = [&](const std::string& config) {
    return std::vector{SourceFile{"config/segue.yaml", config}, SourceFile{"rules/p.yaml", rules}};
  };
  CheckGolden("diagnostics/SG035.txt", AccountProblems(files(workspace)));
  // Where an account has a contact, that is who is told.
  workspace.replace(
      workspace.find("account: {name: text}"), 21,
      "account: {name: text, contact: text}\nkeys: {account_contact: account.contact}");
  CHECK(AccountProblems(files(workspace)) == "");
}

}  // namespace
}  // namespace segue
