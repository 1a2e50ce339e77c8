// What the service answers over HTTP: the pages behind the links in messages, what programs push
// in, and vendors' hooks.
//
//   GET  /unsubscribe/KEY/PROOF             asks; POST says no more (RFC 8058: one click)
//   GET  /preferences/KEY/PROOF             shows what is in force and asks which topics; POST
//   takes
//                                           the answers
//   GET  /l/LINK/TEMPLATE/KEY/PROOF         leads on, and tells what was followed
//   POST /v1/track identify group alias page screen batch    calls in the Segment shape (`http`)
//   POST /v1/rows/SOURCE                    signed rows of JSON (`webhook`)
//   any  /hooks/…                           a vendor's hook, at a connector's `inbound.path`
//
// Answering does no I/O and reads no state: from the files and the request comes a reply, and the
// lines that must be in the spool before it is sent.  What is in force for a person is handed in,
// by whoever has asked the core.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/spool.h"
#include "pipeline/answers.h"
#include "pipeline/pipeline.h"

namespace segue {

struct WebRequest {
  std::string method;
  std::string target;                          // Path and query, as they came.
  std::map<std::string, std::string> headers;  // Names in lower case.
  std::string body = {};
  bool local = false;  // Whoever asks is on this machine.
  bool cut = false;    // The body is longer than BodyBytesMax, and was not read.
};

struct WebReply {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::map<std::string, std::string> headers = {};
  std::string body = {};
};

struct WebTurn {
  WebReply reply;                // Once …
  std::vector<SpoolLine> lines;  // … these are on disk, all of one stream.
  bool anyway = false;           // The reply is sent even if they are lost.
};

// What one set of files says about the web; it never changes.
struct Site {
  std::shared_ptr<const Checked> files;
  std::string links_key;
  std::vector<std::string> old_links_keys = {};     // See StateOptions.
  std::map<std::string, std::string> push_secrets;  // By source; what is missing lets nobody in.
  std::map<std::string, Secrets> hook_secrets;      // By connector.

  const Workspace& workspace() const { return *files->workspace; }
};

// How long a body may follow this head.  Much is read of those alone who may push something in.
std::size_t BodyBytesMax(const Site& site, const WebRequest& head);

// Whether they may ask how the service is: strangers may not, whom a proxy or our own TLS lets in.
bool MayAskOfService(const Site& site, const WebRequest& request);

// The key of the customer whose answers the page would show; nothing of all other requests.
std::optional<std::string> PersonShown(const Site& site, const WebRequest& request);

WebTurn AnswerWeb(const Site& site, const WebRequest& request, TimePoint now,
                  const std::optional<InForce>& in_force = std::nullopt);

}  // namespace segue
