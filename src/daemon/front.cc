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

// A proxy passes on what strangers ask; what is for the machine's own operators they do not get.
bool IsPassedOn(const WebRequest& request) {
  return request.headers.contains("x-forwarded-for") || request.headers.contains("forwarded") ||
         request.headers.contains("via") || request.headers.contains("x-real-ip");
}

}  // namespace

Result<FrontPlan> MakeFrontPlan(std::shared_ptr<const Checked> files, const StateOptions& options) {
  const Workspace& workspace = *files->workspace;
  auto site = std::make_shared<Site>();
  site->links_key = options.links_key;
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
  listen_ = plan.listen;
  certificate_ = plan.certificate;
  if (listen_.empty()) {
    return {};
  }
  Result<std::unique_ptr<WebServer>> opened = WebServer::Listen(
      listen_, certificate_,
      [this](WebServer& server, const WebRequest& request, WebServer::SendReply reply) {
        Handle(server, request, std::move(reply));
      });
  if (!opened) {
    listen_.clear();
    return opened.error();
  }
  server_ = std::move(*opened);
  spdlog::info("listening at {}://{}", certificate_ ? "https" : "http", listen_);
  return {};
}

void Front::Sweep(const std::string& stream, TimePoint read_until) {
  const std::lock_guard lock(spool_mutex_);
  spool_.Sweep(stream, read_until);
}

// What is asked about the service itself.
void Front::HandleOwn(const WebRequest& request, const WebServer::SendReply& reply) {
  if (IsPassedOn(request)) {
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

void Front::Handle(WebServer& server, const WebRequest& request, WebServer::SendReply reply) {
  if (request.target == "/health" || request.target == "/metrics") {
    HandleOwn(request, reply);
    return;
  }
  std::shared_ptr<const Site> site;
  {
    const std::lock_guard lock(site_mutex_);
    site = site_;
  }
  WebTurn turn;
  try {
    turn = AnswerWeb(*site, request, SystemClock().Now());
  } catch (const std::exception& error) {  // A bug here ends one request and not the service.
    spdlog::error("a request could not be answered: {}", error.what());
    turn.reply = Words(500, "this went wrong here\n");
  }
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
  for (Waiting& one : ready) {
    std::move(one.turn.lines.begin(), one.turn.lines.end(), std::back_inserter(lines));
  }
  Result<void> done;
  {
    const std::lock_guard lock(spool_mutex_);
    done = spool_.Append(lines, SystemClock().Now());
  }
  if (!done) {
    spdlog::error("what was pushed in cannot be kept, and whoever sent it is told so: {}",
                  done.error().message());
  }
  for (Waiting& one : ready) {
    one.reply(done ? std::move(one.turn.reply)
                   : Words(503, "this cannot be kept now, please try again\n"));
  }
  if (done) {
    hooks_.came();
  }
}

}  // namespace segue
