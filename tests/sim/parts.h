// Parts: everything that a process has in memory, and that ends with it.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/pipeline.h"

namespace segue::sim {

struct Parts {
  explicit Parts(std::shared_ptr<const Checked> files) : checked(std::move(files)) {}

  // Each may be null or empty when the process died while it began.
  std::shared_ptr<const Checked> checked;
  std::optional<Database> db;
  std::unique_ptr<State> state;
  std::unique_ptr<Cycle> cycle;
  std::unique_ptr<Dispatcher> dispatcher;

  const Workspace& workspace() const { return *checked->workspace; }

  void Begin(TimePoint now, FileReader& files) {
    StateOptions options;
    options.links_key = "the key of links";
    state = std::make_unique<State>(*db, workspace(), *checked->templates, now, options);
    cycle = std::make_unique<Cycle>(*state, &files);
  }
};

}  // namespace segue::sim
