#include "daemon/transport.h"

#include <algorithm>
#include <stdexcept>

#include <curl/curl.h>

#include "base/clock.h"

namespace segue {
namespace {

// Nothing depends on it: whoever starts or stops something wakes the thread.
constexpr int kLongestPollMs = 60'000;

CURLM* NewMulti() {
  CURLM* multi = StartCurl() ? curl_multi_init() : nullptr;
  if (multi == nullptr) {
    throw std::runtime_error("libcurl could not be started");
  }
  return multi;
}

}  // namespace

Transport::Transport(std::string state_folder, Done done)
    : files_(std::move(state_folder), true),
      done_(std::move(done)),
      multi_(NewMulti()),
      thread_([this] { Run(); }) {}

Transport::~Transport() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  curl_multi_wakeup(multi_);
  thread_.join();
  for (auto& [handle, running] : running_) {
    curl_multi_remove_handle(multi_, handle);
  }
  running_.clear();
  curl_multi_cleanup(multi_);
}

void Transport::Start(std::int64_t id, Request request) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.emplace_back(id, std::move(request));
  }
  curl_multi_wakeup(multi_);
}

void Transport::Run() {
  while (true) {
    std::vector<std::pair<std::int64_t, Request>> fresh;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) {
        return;
      }
      fresh.swap(waiting_);
    }
    for (auto& [id, request] : fresh) {
      Admit(id, std::move(request));
    }
    const int next_due_ms = BeginDue();
    int running = 0;
    curl_multi_perform(multi_, &running);
    Collect();
    curl_multi_poll(multi_, nullptr, 0, next_due_ms, nullptr);
  }
}

void Transport::Admit(std::int64_t id, Request request) {
  if (request.pause > Duration::zero()) {
    const Duration due = MonotonicNow() + request.pause;
    held_.emplace(due, std::pair(id, std::move(request)));
  } else {
    Begin(id, std::move(request));
  }
}

// Returns the milliseconds until the next one is due.
int Transport::BeginDue() {
  const Duration now = MonotonicNow();
  while (!held_.empty() && held_.begin()->first <= now) {
    auto [id, request] = std::move(held_.begin()->second);
    held_.erase(held_.begin());
    Begin(id, std::move(request));
  }
  if (held_.empty()) {
    return kLongestPollMs;
  }
  const auto wait =
      std::chrono::ceil<std::chrono::milliseconds>(held_.begin()->first - now).count();
  return static_cast<int>(std::min<std::int64_t>(wait, kLongestPollMs));
}

void Transport::Begin(std::int64_t id, Request request) {
  if (request.kind == Request::Kind::kFile || request.kind == Request::Kind::kAppend) {
    done_(id, files_.Perform(request));
    return;
  }
  auto transfer = std::make_unique<Transfer>(std::move(request));
  if (std::optional<Reply> refusal = transfer->Refusal()) {
    done_(id, std::move(*refusal));
    return;
  }
  void* handle = transfer->handle();
  running_.emplace(handle, std::pair(id, std::move(transfer)));
  curl_multi_add_handle(multi_, handle);
}

void Transport::Collect() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    const auto found = running_.find(message->easy_handle);
    const std::int64_t id = found->second.first;
    const std::unique_ptr<Transfer> transfer = std::move(found->second.second);
    const int code = message->data.result;
    running_.erase(found);
    curl_multi_remove_handle(multi_, transfer->handle());
    done_(id, transfer->Conclude(code));
  }
}

}  // namespace segue
