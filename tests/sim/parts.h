// Parts: everything that a process has in memory, and that ends with it.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/pipeline.h"

namespace segue::sim {

struct Parts {
  Parts(std::shared_ptr<const Checked> files, int keys_in_block)
      : checked(std::move(files)), keys_per_block(keys_in_block) {}

  // Each may be null or empty when the process died while it began.
  std::shared_ptr<const Checked> checked;
  int keys_per_block;
  std::optional<Database> db;
  std::unique_ptr<State> state;
  std::unique_ptr<Cycle> cycle;
  std::unique_ptr<Dispatcher> dispatcher;

  const Workspace& workspace() const { return *checked->workspace; }

  void Begin(TimePoint now, FileReader& files) {
    if (!db->GetSetting("ledger.keys_per_block")) {
      db->SetSetting("ledger.keys_per_block", std::to_string(keys_per_block));
    }
    StateOptions options;
    options.links_key = "the key of links";
    state = std::make_unique<State>(*db, workspace(), *checked->templates, now, options);
    cycle = std::make_unique<Cycle>(*state, &files);
  }
};

}  // namespace segue::sim
