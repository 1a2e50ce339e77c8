// Lints that the files alone can prove: each looks at the compiled workspace and at the documents
// it came from.

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "config/compile.h"

namespace segue {
namespace {

// Connectors whose messages stand at the vendor.
constexpr std::array<std::string_view, 8> kNoBody = {"pendo",          "appcues",   "churned",
                                                     "mixpanel",       "amplitude", "salesforce",
                                                     "activecampaign", "hubspot"};

// Yes, no, or not to be known from the segment alone.
enum class Truth { kNo, kYes, kOpen };

Truth Not(Truth a) {
  return a == Truth::kOpen ? a : a == Truth::kYes ? Truth::kNo : Truth::kYes;
}

// What `expr` is for somebody in that segment of that model, as far as that says.
Truth InSegment(const Expr& expr, int model, double segment) {
  const auto is_segment = [&](const Expr& arg) {
    return arg.op == Op::kLeaf && arg.leaf.kind == Leaf::Kind::kSegment && arg.leaf.model == model;
  };
  const bool negative = expr.op == Op::kIsNot || expr.op == Op::kNotIn;
  if ((expr.op == Op::kIs || expr.op == Op::kIn || negative) && is_segment(expr.args[0])) {
    for (std::size_t i = 1; i < expr.args.size(); ++i) {
      if (expr.args[i].op != Op::kLiteral) {
        return Truth::kOpen;
      }
      if (expr.args[i].literal == segment) {
        return negative ? Truth::kNo : Truth::kYes;
      }
    }
    return negative ? Truth::kYes : Truth::kNo;
  }
  if (expr.op == Op::kNot) {
    return Not(InSegment(expr.args[0], model, segment));
  }
  if (expr.op == Op::kAnd || expr.op == Op::kOr) {
    const Truth decides = expr.op == Op::kAnd ? Truth::kNo : Truth::kYes;
    Truth all = Not(decides);
    for (const Expr& arg : expr.args) {
      const Truth one = InSegment(arg, model, segment);
      if (one == decides) {
        return decides;
      }
      all = one == Truth::kOpen ? one : all;
    }
    return all;
  }
  return Truth::kOpen;
}

std::string AllTexts(const Template& made) {
  std::string all;
  const auto add = [&](const TemplateBody& body) {
    for (const TextWithValues* text :
         {&body.subject, &body.preheader, &body.title, &body.body, &body.button}) {
      all += text->text + "\n";
    }
  };
  add(made.body);
  for (const auto& [name, body] : made.variants) {
    add(body);
  }
  for (const auto& [name, value] : made.values) {
    all += value.text + "\n";
  }
  return all;
}

// Whether a `{{ }}` or `{% %}` of the text mentions the name.
bool Mentions(std::string_view text, std::string_view name) {
  for (std::size_t at = text.find('{'); at != std::string_view::npos; at = text.find('{', at + 1)) {
    const bool value = text.substr(at, 2) == "{{" || text.substr(at, 2) == "{%";
    const std::size_t end = text.find(text.substr(at, 2) == "{%" ? "%}" : "}}", at);
    if (value && end != std::string_view::npos &&
        text.substr(at, end - at).find(name) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

template <typename Visit>
void ForEachStep(const std::vector<Step>& steps, const Visit& visit) {
  for (const Step& step : steps) {
    visit(step);
    ForEachStep(step.then_steps, visit);
    ForEachStep(step.else_steps, visit);
  }
}

class Linter {
 public:
  Linter(const Workspace& workspace, const std::vector<Document>& documents, Report& report)
      : workspace_(workspace), report_(report) {
    for (const Document& document : documents) {
      documents_[{document.kind, document.id}] = &document;
      if (document.kind == DocumentKind::kWorkspace) {
        root_ = &document;
      }
    }
  }

  void Run() {
    for (const Template& made : workspace_.templates) {
      Carrier(made);
    }
    for (const Playbook& playbook : workspace_.playbooks) {
      document_ = documents_.at({DocumentKind::kPlaybook, playbook.id});
      Offer(playbook);
      Reentry(playbook);
      Waits(playbook);
      Exit(playbook);
      Shares(playbook);
      Writers(playbook);
      Powerless(playbook);
      if (playbook.purpose == Purpose::kService) {
        report_.Info(
            "SG042", PlaceOf("purpose", playbook.place),
            fmt::format("{} is a service playbook: its messages ask for no consent", playbook.id));
      }
    }
  }

 private:
  // SG023
  void Carrier(const Template& made) {
    bool body = !made.body.body.text.empty();
    for (const auto& [name, variant] : made.variants) {
      body |= !variant.body.text.empty();
    }
    const auto channel = workspace_.channels.find(made.channel);
    const std::string via = !made.via.empty() ? made.via
                            : channel == workspace_.channels.end() || channel->second.empty()
                                ? std::string()
                                : channel->second.front();
    const ConnectorSettings* connector = workspace_.FindConnector(via);
    if (!body || connector == nullptr ||
        std::find(kNoBody.begin(), kNoBody.end(), connector->type) == kNoBody.end()) {
      return;
    }
    report_.Error(
        "SG023", made.place,
        fmt::format("{} cannot carry a body: {} sends messages that stand there", via,
                    connector->type),
        {}, fmt::format("write `use: {{{}: …}}` in place of the body, or another `via`", via));
  }

  // SG040
  void Powerless(const Playbook& playbook) {
    const int model = ModelOf(playbook);
    if (model < 0) {
      return;
    }
    const std::vector<Segment>& segments =
        workspace_.models[static_cast<std::size_t>(model)].segments;
    std::set<std::string> vetoes;
    bool any = false;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      const auto code = workspace_.pool->Find(segments[i].id);
      const double segment = code ? static_cast<double>(*code) : -1.0;
      if (!CanStartIn(playbook, model, static_cast<SegmentIndex>(i), segment)) {
        continue;
      }
      any = true;
      bool acts = false, free = false;
      ForEachStep(playbook.steps, [&](const Step& step) {
        const bool idle = step.kind == Step::Kind::kWait || step.kind == Step::Kind::kIf ||
                          step.kind == Step::Kind::kStop;
        acts |= !idle;
        free |= !idle && !Vetoed(playbook, step, model, segment, vetoes);
      });
      if (!acts || free) {
        return;
      }
    }
    if (any) {
      report_.Warn(
          "SG040", playbook.place,
          fmt::format("{} can do nothing for anybody who starts it: {} {} all of its steps",
                      playbook.id,
                      Join(std::vector<std::string>(vetoes.begin(), vetoes.end()), ", "),
                      vetoes.size() == 1 ? "denies" : "deny"),
          "name the playbook in the policy's `except`, or take it out");
    }
  }

  // Of whose segments it is known who starts; -1: of none.
  int ModelOf(const Playbook& playbook) const {
    if (playbook.on.kind == Trigger::Kind::kMove) {
      return playbook.on.model;
    }
    int model = -1;
    if (playbook.on.kind == Trigger::Kind::kEvery && playbook.on.while_holds) {
      ForEachLeaf(playbook.on.while_holds->expr, [&](const Expr& leaf) {
        model = leaf.leaf.kind == Leaf::Kind::kSegment ? leaf.leaf.model : model;
      });
    }
    return model;
  }

  static bool CanStartIn(const Playbook& playbook, int model, SegmentIndex index, double segment) {
    const Trigger& on = playbook.on;
    if (on.kind == Trigger::Kind::kMove && !on.to.empty() &&
        std::find(on.to.begin(), on.to.end(), index) == on.to.end()) {
      return false;
    }
    if (on.while_holds && InSegment(on.while_holds->expr, model, segment) == Truth::kNo) {
      return false;
    }
    return std::none_of(playbook.when.begin(), playbook.when.end(), [&](const Condition& when) {
      return InSegment(when.expr, model, segment) == Truth::kNo;
    });
  }

  // Whether a policy surely denies it to everybody in that segment; its id is added.
  bool Vetoed(const Playbook& playbook, const Step& step, int model, double segment,
              std::set<std::string>& vetoes) const {
    std::vector<std::string_view> words;
    if (step.kind == Step::Kind::kSend) {
      words = {"send", PurposeName(playbook.purpose)};
    } else if (step.kind == Step::Kind::kTask) {
      words = {"task"};
    } else if (step.kind == Step::Kind::kAudience && !step.audience_add.empty()) {
      words = {"audience_add"};
    }
    for (const Policy& policy : workspace_.policies) {
      const bool denies = std::any_of(words.begin(), words.end(),
                                      [&](std::string_view word) { return policy.Denies(word); });
      const bool spared =
          std::find(policy.except.begin(), policy.except.end(), playbook.id) != policy.except.end();
      const bool applies =
          std::all_of(policy.when.begin(), policy.when.end(), [&](const Condition& condition) {
            return InSegment(condition.expr, model, segment) == Truth::kYes;
          });
      if (denies && !spared && applies) {
        vetoes.insert(policy.id);
        return true;
      }
    }
    return false;
  }

  Place PlaceOf(std::string_view key, const Place& other) const {
    const Node* node = document_->root.Find(key);
    return node == nullptr ? other : node->place;
  }

  // SG020, SG024
  void Offer(const Playbook& playbook) {
    bool prints = false;
    ForEachStep(playbook.steps, [&](const Step& step) {
      const Template* made =
          step.kind == Step::Kind::kSend ? workspace_.FindTemplate(step.send) : nullptr;
      const std::string text = made == nullptr ? step.title.text + step.note.text : AllTexts(*made);
      if (!Mentions(text, "offer.")) {
        return;
      }
      prints = true;
      const std::string what = made == nullptr ? "this task" : "template " + made->id;
      if (playbook.offer.empty()) {
        report_.Error(
            "SG020", step.place,
            fmt::format("{} prints an offer, and playbook {} has none", what, playbook.id), {},
            "add `offer:` to the playbook, or take the value out of the text");
      } else if (Mentions(text, "offer.code")) {
        Pool(playbook, step, what);
      }
    });
    if (!playbook.offer.empty() && !prints) {
      report_.Error(
          "SG020", PlaceOf("offer", playbook.place),
          fmt::format("playbook {} has an offer, and none of its messages prints it", playbook.id),
          {}, "print {{ offer.code }} in a message, or take the offer away");
    }
  }

  void Pool(const Playbook& playbook, const Step& step, const std::string& what) {
    const auto offer = documents_.find({DocumentKind::kOffer, playbook.offer});
    if (offer != documents_.end() && offer->second->root.Find("pool") == nullptr) {
      report_.Error("SG024", step.place,
                    fmt::format("{} prints offer.code, and offer {} has no pool of codes", what,
                                playbook.offer),
                    {}, "add `pool: {generate: \"CODE-{{8}}\"}` or a file of codes to the offer");
    }
  }

  // SG030
  void Reentry(const Playbook& playbook) {
    const Node* limits = document_->root.Find("limits");
    if (limits == nullptr || (!limits->bad && limits->Find("reenter") == nullptr)) {
      report_.Warn("SG030", playbook.place,
                   fmt::format("{} can start twice and does not say what then: `never` is in force",
                               playbook.id),
                   "add `limits: {reenter: never}`, or after 120d, or always");
    }
  }

  // SG031
  void Waits(const Playbook& playbook) {
    if (!playbook.goal || playbook.goal->within <= Duration::zero()) {
      return;
    }
    WaitsBefore(playbook.steps, Duration::zero(), *playbook.goal);
    if (!playbook.goal->ends_run) {
      return;
    }
    ForEachStep(playbook.steps, [&](const Step& step) {
      if (step.kind == Step::Kind::kWait && step.wait > playbook.goal->within) {
        report_.Warn("SG031", step.place,
                     fmt::format("this wait of {} is longer than the goal's window of {}",
                                 FormatDuration(step.wait), FormatDuration(playbook.goal->within)),
                     "shorten the wait, or lengthen `goal.within`");
      }
    });
  }

  // The window begins with the run, and the report counts who enters at their first send or task:
  // later than the window is too late.  Gives the longest that was waited on the ways on which
  // nothing was done so far; nothing where there are none.  Waits that may end early count as none.
  std::optional<Duration> WaitsBefore(const std::vector<Step>& steps, Duration waited,
                                      const Goal& goal) {
    for (const Step& step : steps) {
      if (step.kind == Step::Kind::kStop) {
        return std::nullopt;
      }
      if (step.kind == Step::Kind::kSend || step.kind == Step::Kind::kTask) {
        if (waited >= goal.within) {
          report_.Warn("SG031", step.place,
                       fmt::format("the waits before this step add up to {}, and the goal's window "
                                   "of {} is over by then: nobody can reach it any more",
                                   FormatDuration(waited), FormatDuration(goal.within)),
                       "shorten the waits, or lengthen `goal.within`");
        }
        return std::nullopt;
      }
      if (step.kind == Step::Kind::kWait && !step.until && step.wait <= goal.within) {
        waited += step.wait;
      }
      if (step.kind == Step::Kind::kIf) {
        const auto yes = WaitsBefore(step.then_steps, waited, goal),
                   no = WaitsBefore(step.else_steps, waited, goal);
        if (!yes && !no) {
          return std::nullopt;
        }
        waited = std::max(yes.value_or(Duration::zero()), no.value_or(Duration::zero()));
      }
    }
    return waited;
  }

  // SG032
  void Exit(const Playbook& playbook) {
    if (!playbook.exit || playbook.on.kind != Trigger::Kind::kMove || playbook.on.model < 0) {
      return;
    }
    const Model& model = workspace_.models[static_cast<std::size_t>(playbook.on.model)];
    const auto truth = [&](std::size_t segment) {
      const auto code = workspace_.pool->Find(model.segments[segment].id);
      return InSegment(playbook.exit->expr, playbook.on.model,
                       code ? static_cast<double>(*code) : -1.0);
    };
    bool at_entry = !playbook.on.to.empty();
    for (SegmentIndex to : playbook.on.to) {
      at_entry &= to < model.segments.size() && truth(to) == Truth::kYes;
    }
    if (at_entry) {
      report_.Error("SG032", playbook.exit->place,
                    "this exit is true at entry: every run would end at once", {},
                    "a run begins in the segment that `on.to` names");
      return;
    }
    // -2 stands for people who are in no segment.
    bool never = InSegment(playbook.exit->expr, playbook.on.model, -2.0) == Truth::kNo;
    for (std::size_t i = 0; i < model.segments.size(); ++i) {
      never &= truth(i) == Truth::kNo;
    }
    if (never) {
      report_.Error("SG032", playbook.exit->place, "this exit can never be true", {},
                    "take it out, or turn it round");
    }
  }

  // SG033
  void Shares(const Playbook& playbook) {
    std::vector<std::string> arms;
    double sum = playbook.holdout_percent;
    for (const auto& [name, share] : playbook.variants) {
      arms.push_back(name);
      sum += share;
    }
    if (!arms.empty() && (sum < 99.995 || sum > 100.005)) {
      report_.Error("SG033", PlaceOf("experiment", playbook.place),
                    fmt::format("variants and holdout make {}%, not 100%", sum));
    }
    std::sort(arms.begin(), arms.end());
    ForEachStep(playbook.steps, [&](const Step& step) {
      const Template* made =
          step.kind == Step::Kind::kSend ? workspace_.FindTemplate(step.send) : nullptr;
      if (made == nullptr || made->variants.empty()) {
        return;
      }
      std::vector<std::string> names;
      for (const auto& [name, body] : made->variants) {
        names.push_back(name);
      }
      std::sort(names.begin(), names.end());
      if (names != arms) {
        report_.Error(
            "SG033", step.place,
            fmt::format("template {} has the variants {}, the experiment has {}", made->id,
                        Join(names, ", "), arms.empty() ? "none" : Join(arms, ", ")),
            {}, "give both the same names");
      }
    });
  }

  // SG034
  void Writers(const Playbook& playbook) {
    const Node* mirror = root_ == nullptr ? nullptr : root_->root.Find("mirror");
    ForEachStep(playbook.steps, [&](const Step& step) {
      for (std::size_t i = 0; mirror != nullptr && i < mirror->items.size(); ++i) {
        const std::string field = TextAt(mirror->items[i], "field");
        for (const auto& [name, text] : step.set) {
          if (name == field) {
            report_.Error(
                "SG034", text.place,
                fmt::format("`{}` has two writers: this step and `mirror` of the workspace", name),
                {}, "set another field");
          }
        }
      }
    });
  }

  const Workspace& workspace_;
  Report& report_;
  std::map<std::pair<DocumentKind, std::string>, const Document*> documents_;
  const Document* root_ = nullptr;
  const Document* document_ = nullptr;
};

}  // namespace

void Lint(const Workspace& workspace, const std::vector<Document>& documents, Report& report) {
  Linter(workspace, documents, report).Run();
}

}  // namespace segue
