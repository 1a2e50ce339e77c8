// Reads the command line and hands over to the verbs.

#include "cli/cli.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <functional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "base/visible.h"
#include "cli/verbs.h"

namespace segue {
namespace {

void AddCommon(CLI::App* verb, Common& common, bool with_at,
               const std::string& at =
                   "Look as at this moment: 2026-03-26T04:00, in the "
                   "workspace's zone") {
  verb->add_option("--workspace,-w", common.workspace,
                   "The folder that holds config/, rules/ and templates/")
      ->envname("SEGUE_WORKSPACE");
  verb->add_option("--state,-s", common.state, "The folder of the state file")
      ->envname("SEGUE_STATE");
  verb->add_flag("--json", common.json, "Print JSON");
  if (with_at) {
    verb->add_option("--at", common.at, at);
  }
}

// The parsed options of every verb, and the one that was chosen.
struct Parsed {
  Common common;
  bool once = true;
  bool past_brake = false, ahead = false;
  InitOptions init;
  CheckOptions check;
  PlanOptions plan;
  ApplyOptions apply;
  ApproveOptions approve;
  BacktestVerb backtest;
  PauseOptions pause;
  SendTestOptions send_test;
  ReplayOptions replay;
  ExplainOptions explain;
  SegmentsOptions segments;
  RenderOptions render;
  OutboxOptions outbox;
  OffersOptions offers;
  AdoptOptions adopt;
  FmtOptions fmt;
  SchemaOptions schema;
  TestOptions test;
  WhyMovedOptions why_moved;
  CustomerOptions customer;
  ValueVerb value;
  ReportOptions report;
  MigrateOptions migrate;
  FunnelOptions funnel;
  AhaOptions aha;
  std::function<int()> run;
};

void AddLooking(CLI::App& app, Parsed& parsed) {
  CLI::App* check = app.add_subcommand("check", "Find everything that is wrong with the files");
  AddCommon(check, parsed.common, true);
  check->add_flag(
      "--with-data", parsed.check.with_data,
      "Also what only the data of the state can tell: names that nothing has, conditions "
      "that nobody fulfils");
  check->add_flag("--verbose,-v", parsed.check.verbose, "Also what is only good to know");
  check->add_option("--format", parsed.check.format, "text, json, or sarif (2.1.0)")
      ->check(CLI::IsMember({"text", "json", "sarif"}));
  check->callback([&] { parsed.run = [&] { return RunCheck(parsed.common, parsed.check); }; });

  CLI::App* plan = app.add_subcommand(
      "plan", "Say who would get what and why, and change nothing (exit 2: somebody would)");
  AddCommon(plan, parsed.common, true);
  plan->add_option("file", parsed.plan.file, "What `plan -o` wrote: show it, and who approved it");
  plan->add_option("--people", parsed.plan.people, "List everybody whom this playbook would start");
  plan->add_option("--out,-o", parsed.plan.out, "Write the plan into this file, for apply");
  plan->add_flag("--markdown", parsed.plan.markdown, "Print it for a pull request");
  plan->add_option(
      "--backfill", parsed.plan.backfill,
      "As if apply were asked to start those who are in this playbook's segment already");
  plan->add_option("--running", parsed.plan.running,
                   "As if apply were asked this about running runs")
      ->check(CLI::IsMember({"finish", "move", "stop"}));
  plan->callback([&] { parsed.run = [&] { return RunPlan(parsed.common, parsed.plan); }; });

  CLI::App* doctor = app.add_subcommand("doctor", "Find out whether the state is sound");
  AddCommon(doctor, parsed.common, true);
  doctor->callback([&] { parsed.run = [&] { return RunDoctor(parsed.common); }; });

  CLI::App* explain =
      app.add_subcommand("explain", "Show why a customer got something, or did not");
  AddCommon(explain, parsed.common, true);
  explain->add_option("customer", parsed.explain.customer, "Key or mail address")->required();
  explain->add_option("playbook", parsed.explain.playbook, "Only this playbook");
  explain->callback(
      [&] { parsed.run = [&] { return RunExplain(parsed.common, parsed.explain); }; });

  CLI::App* segments = app.add_subcommand("segments", "Count the customers in each segment");
  AddCommon(segments, parsed.common, false);
  segments->add_option("model", parsed.segments.model, "Only this model");
  segments->add_flag("--people", parsed.segments.people, "One line per customer");
  segments->callback(
      [&] { parsed.run = [&] { return RunSegments(parsed.common, parsed.segments); }; });

  CLI::App* render = app.add_subcommand("render", "Print a message as one customer would get it");
  AddCommon(render, parsed.common, true);
  render->add_option("template", parsed.render.template_id, "The template's id")->required();
  render->add_option("--as", parsed.render.customer, "Key or mail address")->required();
  render->add_option("--part", parsed.render.part, "text, html or mail")
      ->check(CLI::IsMember({"text", "html", "mail"}));
  render->callback([&] { parsed.run = [&] { return RunRender(parsed.common, parsed.render); }; });
}

// What the history of the base says.
void AddInsights(CLI::App& app, Parsed& parsed) {
  CLI::App* value =
      app.add_subcommand("value", "What customers are worth, by segment, and how that is known");
  AddCommon(value, parsed.common, true);
  value->add_option("--days", parsed.value.days, "How far ahead (default: 365)")
      ->check(CLI::Range(1, 3650));
  value
      ->add_option("--discount", parsed.value.discount,
                   "Percent that a year takes off money to come (default: 0)")
      ->check(CLI::Range(0.0, 100.0));
  value->add_flag("--markdown", parsed.value.markdown, "Print Markdown");
  value->callback([&] { parsed.run = [&] { return RunValue(parsed.common, parsed.value); }; });
}

// What the numbers mean.
void AddReport(CLI::App& app, Parsed& parsed) {
  CLI::App* report = app.add_subcommand(
      "report", "Say what each playbook changed: treated against held out, with intervals");
  AddCommon(report, parsed.common, true);
  report->add_option("playbook", parsed.report.playbook, "Only this playbook");
  report->add_option("--from", parsed.report.from,
                     "Only people who came in at or after this moment");
  report->add_option("--to", parsed.report.to, "Only people who came in before this moment");
  report->add_option(
      "--by", parsed.report.by,
      "Also for each segment of this model, by where people stood when their run began");
  report->add_flag("--final", parsed.report.final_look,
                   "This moment was fixed before the start and nobody looked earlier");
  report->add_flag("--markdown", parsed.report.markdown, "Print Markdown");
  report->callback([&] { parsed.run = [&] { return RunReport(parsed.common, parsed.report); }; });
}

void AddMigrate(CLI::App& app, Parsed& parsed) {
  CLI::App* migrate = app.add_subcommand(
      "migrate", "Show where the people of a model went, how long they stay, and what is at risk");
  AddCommon(migrate, parsed.common, true);
  migrate->add_option("model", parsed.migrate.model, "The model's id")->required();
  migrate->add_option("--from", parsed.migrate.from,
                      "Where people stood then (default: 90 days ago)");
  migrate->add_option("--to", parsed.migrate.to, "And where they stood then (default: now)");
  migrate->add_option("--value", parsed.migrate.value,
                      "A feature of the model that says what people are worth");
  migrate->add_flag("--markdown", parsed.migrate.markdown, "Print Markdown");
  migrate->callback(
      [&] { parsed.run = [&] { return RunMigrate(parsed.common, parsed.migrate); }; });
}

void AddFunnel(CLI::App& app, Parsed& parsed) {
  CLI::App* funnel =
      app.add_subcommand("funnel", "Count who came how far in a funnel, and how long it took");
  AddCommon(funnel, parsed.common, true);
  funnel->add_option("funnel", parsed.funnel.funnel, "The funnel's id");
  funnel->add_option("--by", parsed.funnel.by, "Also for each segment of this model");
  funnel->add_flag("--markdown", parsed.funnel.markdown, "Print Markdown");
  funnel->callback([&] { parsed.run = [&] { return RunFunnel(parsed.common, parsed.funnel); }; });
}

void AddAha(CLI::App& app, Parsed& parsed) {
  CLI::App* aha = app.add_subcommand("aha", "Find which early actions go with staying");
  AddCommon(aha, parsed.common, true);
  aha->add_option("insight", parsed.aha.insight, "The insight's id");
  aha->add_flag("--publish", parsed.aha.publish,
                "What is confirmed becomes NAME.reached and so on");
  aha->add_option("--limit", parsed.aha.limit, "Show at most this many rules")
      ->check(CLI::Range(1, 1'000'000));
  aha->add_flag("--markdown", parsed.aha.markdown, "Print Markdown");
  aha->callback([&] { parsed.run = [&] { return RunAha(parsed.common, parsed.aha); }; });
}

// About one customer.
void AddCustomer(CLI::App& app, Parsed& parsed) {
  CLI::App* why =
      app.add_subcommand("why-moved", "Show every move of a customer and how the answer is made");
  AddCommon(why, parsed.common, true);
  why->add_option("customer", parsed.why_moved.customer, "Key or mail address")->required();
  why->add_option("model", parsed.why_moved.model, "Only this model");
  why->callback([&] { parsed.run = [&] { return RunWhyMoved(parsed.common, parsed.why_moved); }; });

  CLI::App* customer = app.add_subcommand("customer", "What is known about one customer");
  AddCommon(customer, parsed.common, true);
  customer->add_option("action", parsed.customer.action, "show, export or erase")
      ->required()
      ->check(CLI::IsMember({"show", "export", "erase"}));
  customer->add_option("customer", parsed.customer.customer, "Key or mail address")->required();
  customer->add_option("--note", parsed.customer.note, "erase: why; kept as proof");
  customer->callback(
      [&] { parsed.run = [&] { return RunCustomer(parsed.common, parsed.customer); }; });
}

// For those who write the files.
void AddWriting(CLI::App& app, Parsed& parsed) {
  CLI::App* fmt = app.add_subcommand(
      "fmt", "Give the files the one layout; comments and meaning stay (--check exits 1)");
  AddCommon(fmt, parsed.common, false);
  fmt->add_option("files", parsed.fmt.files, "Only these (default: all of the workspace)");
  fmt->add_flag("--check", parsed.fmt.check, "Change nothing; say what would change");
  fmt->callback([&] { parsed.run = [&] { return RunFmt(parsed.common, parsed.fmt); }; });

  CLI::App* test =
      app.add_subcommand("test", "Live through the test documents on a clock of their own");
  AddCommon(test, parsed.common, false);
  test->add_option("files", parsed.test.files, "Only the tests of these files");
  test->add_option("--only", parsed.test.only, "Only the test of this name");
  test->callback([&] { parsed.run = [&] { return RunTest(parsed.common, parsed.test); }; });

  CLI::App* schema =
      app.add_subcommand("schema", "Print the JSON Schema of a kind of document, or of all");
  schema->add_option("kind", parsed.schema.kind, "model, playbook, …; without it any document");
  schema->add_option("type", parsed.schema.type, "connector: of this type, with its secrets");
  schema->add_option("--to", parsed.schema.folder, "Write all of them into this folder");
  schema->callback([&] { parsed.run = [&] { return RunSchema(parsed.schema); }; });
}

// Before and after files go live.
void AddReleasing(CLI::App& app, Parsed& parsed) {
  CLI::App* apply =
      app.add_subcommand("apply", "Make the files live, and say who receives what because of it");
  AddCommon(apply, parsed.common, true);
  apply->add_option("plan", parsed.apply.plan, "What `plan -o` wrote: refused where it is stale");
  apply
      ->add_option("--drift", parsed.apply.drift,
                   "So many may receive who are not in the plan (default 0)")
      ->check(CLI::NonNegativeNumber);
  apply->add_option("--backfill", parsed.apply.backfill,
                    "Playbook that also starts whoever is in its segment already (again for more)");
  apply
      ->add_option("--running", parsed.apply.running,
                   "Runs of playbooks that were edited: finish with the old version (default), "
                   "move to the new one at the same step, or stop")
      ->check(CLI::IsMember({"finish", "move", "stop"}));
  apply->add_flag("--follow-folder", parsed.apply.follow_folder,
                  "From here on the files of the folder run as they are, without apply");
  apply->callback([&] { parsed.run = [&] { return RunApply(parsed.common, parsed.apply); }; });

  CLI::App* approve = app.add_subcommand(
      "approve", "Say that a plan may go live: for others than who made it (safety.approvals)");
  AddCommon(approve, parsed.common, false);
  approve->add_option("plan", parsed.approve.plan, "What `plan -o` wrote")->required();
  approve->add_option("--note", parsed.approve.note, "What was looked at; kept");
  approve->callback(
      [&] { parsed.run = [&] { return RunApprove(parsed.common, parsed.approve); }; });

  CLI::App* pause = app.add_subcommand(
      "pause", "Stop a playbook, a connector or all; without a name, list what is paused");
  AddCommon(pause, parsed.common, false);
  pause->add_option("what", parsed.pause.what, "A playbook, a connector, or all");
  pause->add_option("--note", parsed.pause.note, "Why; kept, and said wherever it refused");
  pause->callback([&] { parsed.run = [&] { return RunPause(parsed.common, parsed.pause); }; });

  CLI::App* resume = app.add_subcommand(
      "resume", "Let it go on; counts what was missed, and never catches up by itself");
  AddCommon(resume, parsed.common, false);
  resume->add_option("what", parsed.pause.what, "A playbook, a connector, or all")->required();
  CLI::Option* send = resume->add_flag("--send", parsed.pause.send, "Send what waits");
  resume->add_flag("--drop", parsed.pause.drop, "Drop what waits")->excludes(send);
  resume->add_option("--note", parsed.pause.note, "Why; kept with what is dropped");
  resume->callback([&] { parsed.run = [&] { return RunResume(parsed.common, parsed.pause); }; });

  CLI::App* send_test = app.add_subcommand(
      "send-test", "Send one message to an address of yours, marked as a test and never counted");
  AddCommon(send_test, parsed.common, false);
  send_test->add_option("template", parsed.send_test.template_id, "The template's id")->required();
  send_test->add_option("--as", parsed.send_test.as, "The customer it is worded for")->required();
  send_test->add_option("--to", parsed.send_test.to, "Where it goes; never to a customer")
      ->required();
  send_test->add_option("--variant", parsed.send_test.variant, "Of the template");
  send_test->callback(
      [&] { parsed.run = [&] { return RunSendTest(parsed.common, parsed.send_test); }; });

  CLI::App* backtest = app.add_subcommand(
      "backtest", "Say what playbooks would have sent over the history of the sources");
  AddCommon(backtest, parsed.common, false);
  backtest->add_option("playbooks", parsed.backtest.playbooks,
                       "Tried as if they were live (default: all, as their files say)");
  backtest->add_option("--from", parsed.backtest.from,
                       "First moment (default: the day of the first fact)");
  backtest->add_option("--to", parsed.backtest.to,
                       "Last moment (default: the day after the last fact)");
  backtest->add_option("--every", parsed.backtest.every,
                       "Cycles exactly this far apart: 1d (default: whenever something is due)");
  backtest->add_flag("--people", parsed.backtest.people, "One line for each send");
  backtest->callback(
      [&] { parsed.run = [&] { return RunBacktestVerb(parsed.common, parsed.backtest); }; });
}

void AddDoing(CLI::App& app, Parsed& parsed) {
  CLI::App* init = app.add_subcommand("init", "Write a working example workspace into a folder");
  init->add_option("folder", parsed.init.folder, "A folder that is new or empty")->required();
  init->add_option("--from", parsed.init.from, "Only that half of the library")
      ->check(CLI::IsMember({"shop", "saas"}));
  init->callback([&] { parsed.run = [&] { return RunInit(parsed.init); }; });

  CLI::App* run = app.add_subcommand(
      "run", "One cycle and one pass of the dispatcher; with --at it never sends");
  AddCommon(run, parsed.common, true,
            "Run as at this moment, 2026-03-26T04:00 in the workspace's zone: what it reads and "
            "decides is kept, and nothing is sent");
  run->add_flag("--ahead", parsed.ahead, "T of --at may lie ahead of the machine's clock");
  run->add_flag("--once", parsed.once, "The default, for scripts that like to say so");
  run->add_flag("--past-brake", parsed.past_brake, "Let the cycle pass that a brake holds");
  run->callback([&] {
    parsed.run = [&] { return RunOnce(parsed.common, parsed.past_brake, parsed.ahead); };
  });

  CLI::App* serve = app.add_subcommand(
      "serve", "Run until told to end: cycles when they are due, deliveries all the time");
  AddCommon(serve, parsed.common, false);
  serve->callback([&] { parsed.run = [&] { return RunServe(parsed.common); }; });

  CLI::App* adopt =
      app.add_subcommand("adopt", "Let a state file that was copied or restored send from here on");
  AddCommon(adopt, parsed.common, false);
  adopt->add_option("--note", parsed.adopt.note, "Why; kept with what is in doubt");
  adopt->add_flag("--original-stopped", parsed.adopt.original_stopped,
                  "Nothing was sent elsewhere since the copy was made: nothing is in doubt");
  adopt->callback([&] { parsed.run = [&] { return RunAdopt(parsed.common, parsed.adopt); }; });

  CLI::App* replay = app.add_subcommand("replay",
                                        "Live through history on a clock of its own; delivers "
                                        "through file connectors and nothing else");
  AddCommon(replay, parsed.common, false);
  replay->add_option("--from", parsed.replay.from,
                     "First moment (default: the day of the first fact)");
  replay->add_option("--to", parsed.replay.to,
                     "Last moment (default: the day after the last fact)");
  replay->add_flag(
      "--by-arrival", parsed.replay.by_arrival,
      "A file counts from its modification time on, not each row from its own time on");
  replay->add_option("--every", parsed.replay.every, "Cycles exactly this far apart: 6h");
  replay->add_option(
      "--trace", parsed.replay.trace,
      "Write day, model, customer, segment and number of whoever changed to this file");
  replay->add_flag("--quiet,-q", parsed.replay.quiet, "No summary at the end");
  replay->callback([&] { parsed.run = [&] { return RunReplay(parsed.common, parsed.replay); }; });

  CLI::App* outbox = app.add_subcommand("outbox", "What was promised, and what came of it");
  AddCommon(outbox, parsed.common, false);
  outbox->add_option("action", parsed.outbox.action, "list, show, retry, drop or mark-sent")
      ->check(CLI::IsMember({"list", "show", "retry", "drop", "mark-sent"}));
  outbox->add_option("id", parsed.outbox.id,
                     "The delivery's number; without it, all that the options below choose");
  outbox->add_option("--note", parsed.outbox.note, "Why; kept with the delivery");
  outbox->add_option("--in", parsed.outbox.state_name,
                     "Only: waiting running accepted refused suppressed unknown dropped dead");
  // A name that a script left empty must not choose all.
  const auto named = [](const std::string& name) {
    return std::string(name.empty() ? "is empty" : "");
  };
  outbox->add_option("--connector", parsed.outbox.connector, "Only of this connector")
      ->check(named);
  outbox->add_option("--playbook", parsed.outbox.playbook, "Only of this playbook")->check(named);
  outbox->add_option("--customer", parsed.outbox.customer, "Only to this customer")->check(named);
  outbox->add_option("--limit", parsed.outbox.limit, "List at most this many")
      ->check(CLI::Range(1, 1'000'000));
  outbox->callback([&] { parsed.run = [&] { return RunOutbox(parsed.common, parsed.outbox); }; });
}

void AddOffers(CLI::App& app, Parsed& parsed) {
  CLI::App* offers =
      app.add_subcommand("offers", "How many codes each offer has left, and how much money");
  AddCommon(offers, parsed.common, true);
  offers->add_option("action", parsed.offers.action, "list, or load: takes in a file of codes")
      ->check(CLI::IsMember({"list", "load"}));
  offers->add_option("offer", parsed.offers.offer, "load: the offer");
  offers->add_option("file", parsed.offers.file, "load: one code a line");
  offers->callback([&] { parsed.run = [&] { return RunOffers(parsed.common, parsed.offers); }; });
}

// What to say of a first word that is no verb; empty: it is one, or an option.
std::string UnknownVerb(const CLI::App& app, const std::string& word) {
  std::vector<std::string> verbs;
  for (const CLI::App* verb : app.get_subcommands({})) {
    verbs.push_back(verb->get_name());
  }
  if (word.starts_with("-") || std::find(verbs.begin(), verbs.end(), word) != verbs.end()) {
    return "";
  }
  const std::optional<std::string> near = Nearest(word, verbs);
  return fmt::format("there is no verb {}{} `segue --help` lists them\n", Visible(word),
                     near ? ": did you mean " + *near + "?" : ";");
}

}  // namespace

int RunCli(int argc, char** argv) {
  CLI::App app{
      "Segue watches who your customers become, and does what your playbooks say about it."};
  app.set_version_flag("--version", SEGUE_VERSION);
  app.require_subcommand(1);
  Parsed parsed;
  AddDoing(app, parsed);
  AddOffers(app, parsed);
  AddLooking(app, parsed);
  AddReleasing(app, parsed);
  AddWriting(app, parsed);
  AddCustomer(app, parsed);
  AddInsights(app, parsed);
  AddReport(app, parsed);
  AddMigrate(app, parsed);
  AddFunnel(app, parsed);
  AddAha(app, parsed);
  if (const std::string unknown = UnknownVerb(app, argc > 1 ? argv[1] : "-"); !unknown.empty()) {
    fmt::print(stderr, "{}", unknown);
    return kUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? kFine : kUsage;
  }
  try {
    return parsed.run();
  } catch (const Failure& failure) {
    fmt::print(stderr, "{}", failure.message);
    return failure.code;
  } catch (const std::exception& error) {
    fmt::print(stderr, "segue: {}\n", error.what());
    return kCannotReach;
  }
}

}  // namespace segue
