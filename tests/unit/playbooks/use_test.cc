// A vendor's own message: who sends it, and what it is told.

#include "world.h"

namespace segue {
namespace {

struct PopupShop : World {
  PopupShop() { Add("hi", {SendStep("0", "popup")}); }

  Template& popup() {
    for (Template& message : workspace.templates) {
      if (message.id == "popup") {
        return message;
      }
    }
    return workspace.templates.front();
  }

  // "stats segment 7": the connector, and what of its own it is to send.
  std::string Told() {
    Start();
    return Column("connector") + " " + Column("name");
  }
};

}  // namespace

TEST_CASE("a vendor's own message is sent by the vendor that has it") {
  PopupShop shop;
  SUBCASE("one") {
    shop.popup().body.use = {{"stats", "segment 7"}};
    CHECK(shop.Told() == "stats segment 7");
  }
  SUBCASE("of several the one that the template names") {
    shop.popup().body.use = {{"chat", "flow A"}, {"stats", "segment 7"}};
    shop.popup().via = "stats";
    CHECK(shop.Told() == "stats segment 7");
  }
  SUBCASE("of several the one that carries the channel") {
    shop.popup().body.use = {{"ads", "flow A"}, {"chat", "flow B"}, {"stats", "segment 7"}};
    CHECK(shop.Told() == "chat flow B");
  }
  SUBCASE("no connector carries the channel") {
    shop.popup().body.use = {{"stats", "segment 7"}};
    shop.workspace.channels.erase("in_app");
    CHECK(shop.Told() == "stats segment 7");
  }
  SUBCASE("words of the template's own need none") {
    CHECK(shop.Told() == "chat ");
  }
}

TEST_CASE("each variant may name its own message") {
  PopupShop shop;
  TemplateBody own;
  own.use = {{"stats", "segment 7"}};
  shop.popup().variants = {{"words", {}}, {"own", own}};
  shop.playbook().variants = {{"own", 100}};
  CHECK(shop.Told() == "stats segment 7");
}

TEST_CASE("a task tells the tool the customer's address too") {
  PopupShop shop;
  Step task;
  task.kind = Step::Kind::kTask;
  task.id = "0";
  task.assignee = "team";
  shop.playbook().steps = {task};
  shop.Start();
  CHECK(shop.Column("address") == "lara@example.com");
}

}  // namespace segue
