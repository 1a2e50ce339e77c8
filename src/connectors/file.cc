// The file connector: deliveries become files below the state folder, for trying Segue out and for
// tools of your own.
//
//   path: outgoing/segue.jsonl    one line of JSON per delivery
//   path: outgoing/               one file per delivery: KEY.eml for an email, KEY.json for all
//   else
//
// A repeated call writes the same file, or finds its line there, so it is always safe.

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "connectors/connector.h"

namespace segue {
namespace {

// A key as a file name.  Our keys are plain already; anything else is hashed so that it cannot lead
// elsewhere.
std::string NameOfKey(const std::string& key) {
  const bool plain =
      !key.empty() && key.size() <= 100 && std::all_of(key.begin(), key.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
      });
  return plain ? key : Sha256Hex(key);
}

// Whether the path stays below the folder that it is relative to.
bool StaysBelow(std::string_view path) {
  if (path.empty() || path.starts_with('/') || path.find('\0') != std::string_view::npos) {
    return false;
  }
  const std::vector<std::string_view> parts = Split(path, '/');
  return std::find(parts.begin(), parts.end(), "..") == parts.end();
}

class FileConnector final : public Connector {
 public:
  FileConnector(const ConnectorSettings& settings, const Secrets& secrets)
      : timeout_(settings.timeout), secrets_(secrets) {
    const auto path = settings.text.find("path");
    path_ = path == settings.text.end() ? "" : path->second;
  }

  NextStep Next(std::span<const Delivery> batch, std::span<const Exchange> done,
                Session& /*session*/, TimePoint /*now*/) const override {
    const Delivery& delivery = batch.front();
    if (!done.empty()) {
      return Ended(Classify(RedactReply(done.back().reply, secrets_)));
    }
    if (!StaysBelow(path_)) {
      return Refused("path must be a file or folder below the state folder, and is '" + path_ +
                     "'");
    }
    const bool mail = delivery.kind == DeliveryKind::kMessage &&
                      delivery.payload.channel == "email" && path_.ends_with('/');
    if (mail) {
      if (std::string problem = MailProblem(delivery); !problem.empty()) {
        return Refused(problem);
      }
    }
    Request request;
    request.method = "";
    request.timeout = timeout_;
    request.key = delivery.key;
    if (path_.ends_with('/')) {
      request.kind = Request::Kind::kFile;
      request.url = path_ + NameOfKey(delivery.key) + (mail ? ".eml" : ".json");
      request.body = mail ? MakeMail(delivery) : DeliveryJson(delivery) + "\n";
    } else {
      request.kind = Request::Kind::kAppend;
      request.url = path_;
      request.body = DeliveryJson(delivery);
    }
    return request;
  }

 private:
  static Outcome Classify(const Reply& reply) {
    Outcome outcome;
    if (reply.kind == Reply::Kind::kAnswered && reply.status == 200) {
      outcome.kind = Outcome::Kind::kAccepted;
      outcome.detail = "written";
      return outcome;
    }
    // A full disk or a missing right is for a person to mend; nothing was judged, so it is tried
    // again.
    outcome.kind =
        reply.kind == Reply::Kind::kLost ? Outcome::Kind::kUnknown : Outcome::Kind::kRetry;
    outcome.detail = CutWords("not written: " + (reply.error.empty() ? reply.body : reply.error));
    return outcome;
  }

  std::string path_;
  Duration timeout_;
  Secrets
      secrets_;  // A file needs none; whatever the file names must not be repeated all the same.
};

}  // namespace

constinit const ConnectorSpec kFileConnector = {
    .name = "file",
    .summary = "Files below the state folder: a line of JSON per delivery, or a folder of mails",
    .example =
        "connector: file\n"
        "type: file\n"
        "path: outgoing/segue.jsonl\n",
    .dedupe = Dedupe::kKey,
    .carries =
        [] {
          return std::vector{DeliveryKind::kMessage, DeliveryKind::kTask, DeliveryKind::kSet,
                             DeliveryKind::kTrack};
        },
    .make = [](const ConnectorSettings& settings,
               const Secrets& secrets) -> std::unique_ptr<Connector> {
      return std::make_unique<FileConnector>(settings, secrets);
    },
};

}  // namespace segue
