#include "config/changes.h"

#include <doctest/doctest.h>

namespace segue {
namespace {

constexpr std::string_view kModel = R"(model: rfv
every: day at 04:00
features:
  recency: since(last(order_placed))
scores:
  r: {from: recency, best: low, cuts: [3d, 10d, 21d]}
segments:
  - {id: good, when: r >= 3}
  - {id: rest, when: otherwise}
)";

std::vector<std::string> Told(std::string before, std::string after) {
  const std::vector<SourceFile> now = {{"rules/a.yaml", std::move(after)}};
  std::vector<std::string> told;
  for (const DocumentChange& change : ChangesBetween({{"rules/a.yaml", std::move(before)}}, now)) {
    const std::string what = change.document + " " + change.id;
    if (change.kind != DocumentChange::Kind::kEdited) {
      told.push_back((change.kind == DocumentChange::Kind::kNew ? "+ " : "- ") + what);
    }
    for (const DocumentChange::Line& line : change.lines) {
      told.push_back(FormatPlace(line.place, now) + " " + what + ": " + line.text);
    }
  }
  return told;
}

std::string Replaced(std::string_view old, std::string_view text) {
  std::string model(kModel);
  model.replace(model.find(old), old.size(), text);
  return model;
}

using ToldLines = std::vector<std::string>;

}  // namespace

TEST_CASE("changes: one line of a score is named with its old and its new value, where it stands") {
  CHECK(Told(std::string(kModel), Replaced("21d", "18d")) ==
        ToldLines{"rules/a.yaml:6 model rfv: scores.r.cuts 21d → 18d"});
}

TEST_CASE("changes: comments, layout and another way to write the same are none") {
  CHECK(Told(std::string(kModel), "# a word\n" + Replaced("day at 04:00", "day at 04:00  # slot"))
            .empty());
  CHECK(Told(std::string(kModel), Replaced("[3d, 10d, 21d]", "[3d, 10d, 3w]")).empty());
}

TEST_CASE("changes: an entry of a list is named by its id, one more or less by what it says") {
  CHECK(Told(std::string(kModel), Replaced("r >= 3", "r >= 2")) ==
        ToldLines{"rules/a.yaml:8 model rfv: segments.good.when r >= 3 → r >= 2"});
  CHECK(Told(std::string(kModel), Replaced("21d]", "21d, 60d]")) ==
        ToldLines{"rules/a.yaml:6 model rfv: new: scores.r.cuts 60d"});
  CHECK(Told(std::string(kModel), Replaced("  - {id: good, when: r >= 3}\n", "")) ==
        ToldLines{"rules/a.yaml:1 model rfv: gone: segments id: good, when: r >= 3"});
}

TEST_CASE("changes: keys come and go, and a long text says only that it is another") {
  CHECK(Told(std::string(kModel), std::string(kModel) + "settle: {hold: 2 runs}\n") ==
        ToldLines{"rules/a.yaml:10 model rfv: new: settle hold: 2 runs"});
  CHECK(Told(std::string(kModel) + "rank: [rest, good]\n", std::string(kModel)) ==
        ToldLines{"rules/a.yaml:1 model rfv: gone: rank"});
  const std::string words = "template: hello\nchannel: email\nbody: |\n  One\n  two\n";
  CHECK(Told(words, words + "  three\n") ==
        ToldLines{"rules/a.yaml:3 template hello: body says something else"});
}

TEST_CASE("changes: documents come and go") {
  const std::string policy = "---\npolicy: quiet\nwhen: customer.csm is 'mara'\n";
  CHECK(Told(std::string(kModel), std::string(kModel) + policy) == ToldLines{"+ policy quiet"});
  CHECK(Told(std::string(kModel) + policy, std::string(kModel)) == ToldLines{"- policy quiet"});
}

}  // namespace segue
