// The front of the service: the HTTP server, the spool behind it, and what it is told of the core.
//
// A reply that promises something leaves once its lines are on disk; those of all requests that
// came meanwhile are synced together.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/spool.h"
#include "daemon/web.h"
#include "daemon/web_server.h"

namespace segue {

// What the files and their secrets say about the web, and where it is.
struct FrontPlan {
  std::shared_ptr<const Site> site;
  std::string listen;
  std::optional<WebServer::Certificate> certificate;
};

// Error: a secret that lets callers in, or the certificate, is missing.
Result<FrontPlan> MakeFrontPlan(std::shared_ptr<const Checked> files, const StateOptions& options);

class Front {
 public:
  struct Hooks {
    // Lines are in the spool.  Called on the server's thread.
    std::function<void()> came;
    // Somebody asks what the service counts: GiveCount is to be called with this number, on the
    // core's thread.  Called on the server's thread.
    std::function<void(std::int64_t)> count;
    // Somebody looks at their preferences: GiveInForce is to be called with this number and what is
    // in force for the customer of this key, on the core's thread.  Called on the server's thread.
    std::function<void(std::int64_t, const std::string&)> in_force;
  };

  Front(std::string state_folder, Hooks hooks);
  ~Front();

  // From now on these files answer.  Error: it cannot listen there; where it listened before it
  // goes on.
  Result<void> Use(FrontPlan plan);

  // Whether the core has its state open.
  void SetAtWork(bool at_work) { at_work_ = at_work; }

  // Removes what was pushed in and has been read; the answers of customers were up to then.
  void SweepRead(Database& db, const Workspace& workspace, std::optional<TimePoint> answers_read);

  // See Hooks::count.
  void GiveCount(std::int64_t number, std::string text);
  // See Hooks::in_force.
  void GiveInForce(std::int64_t number, std::optional<InForce> in_force);

 private:
  struct Waiting {
    WebTurn turn;
    WebServer::SendReply reply;
  };

  // Who waits to see what is in force for them.
  struct Looking {
    std::shared_ptr<const Site> site;
    WebRequest request;
    WebServer::SendReply reply;
  };

  void Handle(WebServer& server, const WebRequest& request, WebServer::SendReply reply);
  void Show(std::int64_t number, const std::optional<InForce>& in_force);
  void HandleOwn(const WebRequest& request, const WebServer::SendReply& reply);
  void Sweep(const std::string& stream, TimePoint read_until);
  std::shared_ptr<const Site> SiteNow();
  std::size_t BodyMaxOf(const WebRequest& head);
  Result<void> Open(const std::string& listen,
                    const std::optional<WebServer::Certificate>& certificate);
  void Flush();
  void Close();

  Hooks hooks_;
  Spool spool_;
  std::mutex spool_mutex_;  // A file that is swept is none that is written.
  std::mutex site_mutex_;   // Guards the next.
  std::shared_ptr<const Site> site_;
  std::atomic<bool> at_work_ = false;
  // Of the server's thread alone, while there is one.
  std::vector<Waiting> waiting_;
  bool flush_is_posted_ = false;
  std::map<std::int64_t, WebServer::SendReply> counting_;
  std::map<std::int64_t, Looking> looking_;
  std::int64_t last_count_ = 0;
  // Of the core's thread alone.
  std::string listen_;
  std::optional<WebServer::Certificate> certificate_;
  std::unique_ptr<WebServer> server_;
};

}  // namespace segue
