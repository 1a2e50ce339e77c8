#include "daemon/front.h"

#include <exception>
#include <iterator>
#include <spdlog/spdlog.h>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "daemon/secrets.h"

namespace segue {
namespace {

WebReply Words(int status, std::string words) {
  WebReply reply;
  reply.status = status;
  reply.body = std::move(words);
  return reply;
}

// The core may be busy with a cycle for longer than anybody waits for a page.
constexpr Duration kLongestLook = std::chrono::seconds(2);

std::optional<std::string> Shown(const Site& site, const WebRequest& request) {
  try {
    return PersonShown(site, request);
  } catch (const std::exception& error) {
    spdlog::error("a request could not be looked at: {}", error.what());
    return std::nullopt;
  }
}

// A bug here ends one request and not the service.
WebTurn AnswerOf(const Site& site, const WebRequest& request,
                 const std::optional<InForce>& in_force = std::nullopt) {
  try {
    return AnswerWeb(site, request, SystemClock().Now(), in_force);
  } catch (const std::exception& error) {
    spdlog::error("a request could not be answered: {}", error.what());
    WebTurn turn;
    turn.reply = Words(500, "this went wrong here\n");
    return turn;
  }
}

}  // namespace

Result<FrontPlan> MakeFrontPlan(std::shared_ptr<const Checked> files, const StateOptions& options) {
  const Workspace& workspace = *files->workspace;
  auto site = std::make_shared<Site>();
  site->links_key = options.links_key;
  site->old_links_keys = options.old_links_keys;
  for (const Source& source : workspace.sources) {
    if (!source.pushed()) {
      continue;
    }
    Result<std::string> secret = ResolveSecret(source.push_secret);
    if (!secret) {
      return Error("source " + source.id + ": " + secret.error().message());
    }
    site->push_secrets[source.id] = *secret;
  }
  for (const ConnectorSettings& connector : workspace.connectors) {
    if (connector.text.contains("inbound.path")) {
      Result<Secrets> secrets = ResolveSecrets(connector);
      if (!secrets) {
        return secrets.error();
      }
      site->hook_secrets[connector.id] = *secrets;
    }
  }
  FrontPlan plan{.site = nullptr, .listen = workspace.serve_listen, .certificate = std::nullopt};
  if (!workspace.tls_cert.empty()) {
    const Result<std::string> chain = ResolveSecret(workspace.tls_cert);
    const Result<std::string> key = ResolveSecret(workspace.tls_key);
    if (!chain || !key) {
      return Error("serve.tls: " + (chain ? key : chain).error().message());
    }
    plan.certificate = {*chain, *key};
    // A renewal may be half done: then the old one goes on.
    if (std::optional<std::string> problem = WebServer::ProblemOf(*plan.certificate)) {
      return Error(std::move(*problem));
    }
  }
  site->files = std::move(files);
  plan.site = std::move(site);
  return plan;
}

Front::Front(std::string state_folder, Hooks hooks)
    : hooks_(std::move(hooks)), spool_(std::move(state_folder)) {}

Front::~Front() {
  Close();
}

// Replies that wait go before the server that they belong to.
void Front::Close() {
  if (server_ != nullptr) {
    server_->Stop();
    waiting_.clear();
    counting_.clear();
    looking_.clear();
    flush_is_posted_ = false;
    server_.reset();
  }
}

Result<void> Front::Use(FrontPlan plan) {
  {
    const std::lock_guard lock(site_mutex_);
    site_ = std::move(plan.site);
  }
  const bool same_certificate = certificate_.has_value() == plan.certificate.has_value() &&
                                (!certificate_ || (certificate_->chain == plan.certificate->chain &&
                                                   certificate_->key == plan.certificate->key));
  if (plan.listen == listen_ && same_certificate) {
    return {};
  }
  Close();  // The address may be the same one.
  Result<void> opened = Open(plan.listen, plan.certificate);
  if (!opened && !listen_.empty()) {
    static_cast<void>(Open(std::string(listen_), std::optional(certificate_)));
  }
  return opened;
}

Result<void> Front::Open(const std::string& listen,
                         const std::optional<WebServer::Certificate>& certificate) {
  if (!listen.empty()) {
    Result<std::unique_ptr<WebServer>> opened = WebServer::Listen(
        listen, certificate, [this](const WebRequest& head) { return BodyMaxOf(head); },
        [this](WebServer& server, const WebRequest& request, WebServer::SendReply reply) {
          Handle(server, request, std::move(reply));
        });
    if (!opened) {
      return opened.error();
    }
    server_ = std::move(*opened);
  }
  listen_ = listen;
  certificate_ = certificate;
  if (listen_.empty()) {
    return {};
  }
  spdlog::info("listening at {}://{}", certificate_ ? "https" : "http", listen_);
  return {};
}

void Front::Sweep(const std::string& stream, TimePoint read_until) {
  const std::lock_guard lock(spool_mutex_);
  spool_.Sweep(stream, read_until);
}

// A day later, so that nothing of it can still be on its way to be read.
void Front::SweepRead(Database& db, const Workspace& workspace,
                      std::optional<TimePoint> answers_read) {
  for (const Source& source : workspace.sources) {
    Statement read = db.Prepare(
        "SELECT last_ok FROM source_state WHERE source = ? AND error = '' AND last_ok IS NOT NULL");
    read.Bind(1, source.id);
    if (source.pushed() && read.Step()) {
      Sweep(source.id, FromMicros(read.Int(0)) - kDay);
    }
  }
  if (answers_read) {
    Sweep(std::string(kAnswersStream), *answers_read - kDay);
  }
}

// What is asked about the service itself.
void Front::HandleOwn(const WebRequest& request, const WebServer::SendReply& reply) {
  if (!MayAskOfService(*SiteNow(), request)) {
    reply(Words(404, "there is nothing here\n"));
  } else if (request.target == "/health") {
    reply(at_work_ ? Words(200, "at work\n") : Words(503, "the state is not open\n"));
  } else {
    counting_.emplace(++last_count_, reply);
    hooks_.count(last_count_);
  }
}

void Front::GiveCount(std::int64_t number, std::string text) {
  if (server_ == nullptr) {
    return;
  }
  server_->Post([this, number, text = std::move(text)] {
    const auto found = counting_.find(number);
    if (found == counting_.end()) {
      return;
    }
    const WebServer::SendReply reply = std::move(found->second);
    counting_.erase(found);
    WebReply metrics = Words(200, text);
    metrics.type = "text/plain; version=0.0.4; charset=utf-8";
    reply(std::move(metrics));
  });
}

std::shared_ptr<const Site> Front::SiteNow() {
  const std::lock_guard lock(site_mutex_);
  return site_;
}

std::size_t Front::BodyMaxOf(const WebRequest& head) {
  try {
    return BodyBytesMax(*SiteNow(), head);
  } catch (const std::exception& error) {
    spdlog::error("a request could not be looked at: {}", error.what());
    return 0;
  }
}

void Front::GiveInForce(std::int64_t number, std::optional<InForce> in_force) {
  if (server_ != nullptr) {
    server_->Post([this, number, in_force = std::move(in_force)] { Show(number, in_force); });
  }
}

// By the core's word, or without it when that took too long; whichever comes first.
void Front::Show(std::int64_t number, const std::optional<InForce>& in_force) {
  const auto found = looking_.find(number);
  if (found == looking_.end()) {
    return;
  }
  const Looking one = std::move(found->second);
  looking_.erase(found);
  one.reply(AnswerOf(*one.site, one.request, in_force).reply);
}

void Front::Handle(WebServer& server, const WebRequest& request, WebServer::SendReply reply) {
  if (request.target == "/health" || request.target == "/metrics") {
    HandleOwn(request, reply);
    return;
  }
  std::shared_ptr<const Site> site = SiteNow();
  if (const std::optional<std::string> who = Shown(*site, request); who && at_work_) {
    const std::int64_t number = ++last_count_;
    looking_.emplace(number, Looking{std::move(site), request, std::move(reply)});
    server.Later(kLongestLook, [this, number] { Show(number, std::nullopt); });
    hooks_.in_force(number, *who);
    return;
  }
  WebTurn turn = AnswerOf(*site, request);
  if (turn.lines.empty()) {
    reply(std::move(turn.reply));
    return;
  }
  waiting_.push_back({std::move(turn), std::move(reply)});
  if (!flush_is_posted_) {
    flush_is_posted_ = true;
    server.Post([this] { Flush(); });
  }
}

void Front::Flush() {
  flush_is_posted_ = false;
  std::vector<Waiting> ready = std::exchange(waiting_, {});
  std::vector<SpoolLine> lines;
  std::vector<std::string> streams;  // Beside `ready`.
  std::map<std::string, std::string> lost;
  for (Waiting& one : ready) {
    streams.push_back(one.turn.lines.front().stream);
    std::move(one.turn.lines.begin(), one.turn.lines.end(), std::back_inserter(lines));
  }
  try {
    const std::lock_guard lock(spool_mutex_);
    lost = spool_.Append(lines, SystemClock().Now());
  } catch (const std::exception& error) {  // No room in memory.
    for (const std::string& stream : streams) {
      lost.emplace(stream, error.what());
    }
  }
  for (const auto& [stream, why] : lost) {
    spdlog::error("what came for {} cannot be kept, and whoever sent it is told so: {}", stream,
                  why);
  }
  for (std::size_t i = 0; i < ready.size(); ++i) {
    const bool sends = ready[i].turn.anyway || !lost.contains(streams[i]);
    ready[i].reply(sends ? std::move(ready[i].turn.reply)
                         : Words(503, "this cannot be kept now, please try again\n"));
  }
  hooks_.came();
}

}  // namespace segue
