// A small workspace in memory, and one customer whose traits a test sets.

#pragma once

#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "templates/template.h"

namespace segue {

// Traits by name, as an expression sees them; all else is missing.
class FakeInputs final : public Inputs {
 public:
  void Read(const Leaf& leaf, CustomerIndex /*first*/, std::span<double> out) const override {
    const auto found = values.find(leaf.name);
    std::fill(out.begin(), out.end(),
              found == values.end() ? std::numeric_limits<double>::quiet_NaN() : found->second);
  }

  std::map<std::string, double> values;
};

struct TemplateFixture {
  TemplateFixture() {
    workspace.id = "lumen";
    workspace.pool = std::make_shared<TextPool>();
    workspace.schema.currency = "EUR";
    workspace.schema.events = {
        {"order_placed", {{"amount", Type::kMoney, {}}}, std::nullopt, -1, -1}};
    workspace.schema.customer_traits = {
        {"email", Type::kText, {}}, {"first_name", Type::kText, {}},
        {"csm", Type::kText, {}},   {"plan", Type::kChoice, {"free", "team"}},
        {"mrr", Type::kMoney, {}},  {"signed_up", Type::kTime, {}},
        {"news", Type::kYesNo, {}}, {"seats", Type::kNumber, {}}};
    workspace.schema.account_traits = {{"name", Type::kText, {}}};
    workspace.links = {{"book", "/book"}, {"guide_two", "/guide-two"}};
    workspace.links_base = "https://lumen.example";
    ModelNames rfv;
    rfv.id = "rfv";
    rfv.segments = {"champions", "lost"};
    rfv.scores = {{"r", {Type::kNumber, true, {}}}};
    rfv.features = {{"usage", {Type::kNumber, false, {}}}};
    workspace.model_names = {rfv};
    workspace.files = {{"templates/test.yaml", ""}};
    context.inputs = &inputs;
    context.schema = &workspace.schema;
    context.pool = workspace.pool.get();
    context.moment = {FromMicros(1774500000000000), Zone()};
    context.names = {{"links.book", "https://lumen.example/book"},
                     {"links.guide_two", "https://lumen.example/guide-two?c=1&s=2"},
                     {"links.unsubscribe", "https://segue.lumen.example/u/abc"},
                     {"links.preferences", "https://segue.lumen.example/p/abc"},
                     {"sender.postal", "Lumen Lda, Rua do Exemplo 1, Lisboa"}};
  }

  TextWithValues At(std::string text) const { return {std::move(text), {0, 10, 3, 1}, 2}; }

  void SetText(const std::string& name, const std::string& value) {
    inputs.values[name] = workspace.pool->Intern(value);
  }

  Template& AddMail(const std::string& id, const std::string& subject, const std::string& body) {
    Template mail;
    mail.id = id;
    mail.channel = "email";
    mail.body.subject = At(subject);
    mail.body.body = At(body);
    workspace.templates.push_back(mail);
    return workspace.templates.back();
  }

  // A layout that adds nothing.
  void UseBareLayout() {
    workspace.layouts = {{"default", At("<body>{{ body }}</body>"), At("{{ body }}"), {}}};
  }

  // The playbook that sends a template.
  Playbook& AddPlaybook(const std::string& id, const std::string& template_id, Purpose purpose) {
    Playbook playbook;
    playbook.id = id;
    playbook.purpose = purpose;
    Step step;
    step.send = template_id;
    step.place = {0, 5, 3, 1};
    playbook.steps = {step};
    workspace.playbooks.push_back(playbook);
    return workspace.playbooks.back();
  }

  // Compiles everything; what is wrong stands in `diagnostics`.
  Templates& Compile(bool tolerate_unbuilt = false) {
    diagnostics.clear();
    templates = std::make_unique<Templates>(workspace, diagnostics, tolerate_unbuilt);
    return *templates;
  }

  // The whole of a mail with this body in a bare layout; an error begins with "error: ".
  RenderedMessage Mail(const std::string& body, const std::string& subject = "Subject") {
    workspace.templates.clear();
    UseBareLayout();
    AddMail("mail", subject, body);
    Result<RenderedMessage> message = Compile().Render("mail", context);
    RenderedMessage failed;
    if (!message) {
      failed.html = failed.text = failed.subject = "error: " + message.error().message();
    }
    return message ? *message : failed;
  }

  // What a body becomes in HTML, without the layout's <body>.
  std::string Html(const std::string& body) {
    std::string html = Mail(body).html;
    if (html.starts_with("<body>")) {
      html = html.substr(6, html.size() - 13);
    }
    return html;
  }

  std::string Text(const std::string& body) { return Mail(body).text; }

  // "SG002 10:3+5 message" for each, joined by newlines.
  std::string Problems() const {
    std::string out;
    for (const Diagnostic& each : diagnostics) {
      out += out.empty() ? "" : "\n";
      out += each.severity == Severity::kWarning ? "warning " : "";
      out += each.code + " " + std::to_string(each.place.line) + ":" +
             std::to_string(each.place.column) + "+" + std::to_string(each.place.length) + " " +
             each.message + (each.help.empty() ? "" : " | " + each.help);
    }
    return out;
  }

  // What is wrong with a text when it is a body.
  std::string ProblemsOf(const std::string& body) {
    workspace.templates.clear();
    UseBareLayout();
    AddMail("mail", "Subject", body);
    Compile();
    return Problems();
  }

  // What is wrong with an HTML layout.
  std::string ProblemsOfLayout(const std::string& html) {
    workspace.templates.clear();
    workspace.layouts = {{"default", At(html), At("{{ body }}"), {}}};
    Compile();
    return Problems();
  }

  Workspace workspace;
  FakeInputs inputs;
  RenderContext context;
  Diagnostics diagnostics;
  std::unique_ptr<Templates> templates;
};

}  // namespace segue
