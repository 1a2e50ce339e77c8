// Everything that stands behind one set of files.

#pragma once

#include <functional>
#include <memory>

#include "daemon/alive.h"
#include "daemon/fetch.h"
#include "daemon/files.h"
#include "daemon/postgres.h"
#include "daemon/secrets.h"
#include "pipeline/pipeline.h"

namespace segue {

struct Running {
  // Requires: `files` has a workspace.
  Running(Database& db, std::shared_ptr<const Checked> files, StateOptions options,
          const std::string& state_folder, const GoesOn& goes_on, TimePoint now)
      : checked(std::move(files)),
        state(db, *checked->workspace, *checked->templates, now, std::move(options)),
        reader(MakeDiskReader(state_folder)),
        databases(MakePostgresReader(ResolveSecret, goes_on)),
        web(MakeHttpReader(ResolveSecret, goes_on)),
        cycle(state, reader.get(), databases.get(), web.get()),
        dispatcher(state, ResolveSecrets) {}

  std::shared_ptr<const Checked> checked;
  State state;
  std::unique_ptr<FileReader> reader;
  std::unique_ptr<SqlReader> databases;
  std::unique_ptr<HttpReader> web;
  Cycle cycle;
  Dispatcher dispatcher;
};

}  // namespace segue
