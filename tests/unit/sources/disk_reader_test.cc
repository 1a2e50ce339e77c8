// Files on the disk.

#include <filesystem>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <vector>

#include <doctest/doctest.h>
#include <zlib.h>

#include "sources/source.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

void WriteGzip(const std::string& path, const std::string& content) {
  gzFile file = gzopen(path.c_str(), "wb");
  REQUIRE(gzwrite(file, content.data(), static_cast<unsigned>(content.size())) ==
          static_cast<int>(content.size()));
  gzclose(file);
}

std::vector<std::string> Paths(FileReader& files, const std::string& pattern) {
  std::vector<std::string> paths;
  for (const FileReader::Info& info : files.List(pattern)) {
    paths.push_back(info.path);
  }
  return paths;
}

std::string Content(FileReader& files, const std::string& path, std::uint64_t offset = 0,
                    std::size_t most = 1'000'000) {
  const Result<std::string> content = files.Read(path, offset, most);
  return content ? *content : "error: " + content.error().message();
}

// Every byte can be told from its neighbours of far and near.
std::string LongText() {
  std::string text;
  for (int i = 0; text.size() < 700'000; ++i) {
    text += std::to_string(i) + (i % 7 == 0 ? "\n" : ",");
  }
  return text;
}

TEST_CASE("files are listed by pattern and sorted, without hidden ones and folders") {
  const TempDir dir;
  for (const char* name : {"in/b-2.csv", "in/b-10.csv", "in/a.csv", "in/.b-3.csv",
                           "in/b-1.csv.part", "in/b-.csv", "in/b-4.csv/x", "top.csv"}) {
    dir.Write(name, "12345");
  }
  const auto files = MakeDiskReader(dir.path());
  CHECK(Paths(*files, "in/b-*.csv") ==
        std::vector<std::string>{"in/b-.csv", "in/b-10.csv", "in/b-2.csv"});
  CHECK(Paths(*files, "in/b-?.csv") == std::vector<std::string>{"in/b-2.csv"});
  CHECK(Paths(*files, "in/*") == std::vector<std::string>{"in/a.csv", "in/b-.csv",
                                                          "in/b-1.csv.part", "in/b-10.csv",
                                                          "in/b-2.csv"});
  CHECK(Paths(*files, "in/*-*0*v") == std::vector<std::string>{"in/b-10.csv"});
  CHECK(Paths(*files, "*.csv") == std::vector<std::string>{"top.csv"});
  CHECK(Paths(*files, "in/a.csv") == std::vector<std::string>{"in/a.csv"});
  CHECK(Paths(*files, "in/none.csv").empty());
  CHECK(Paths(*files, "none/*.csv") == std::vector<std::string>{"none/*.csv"});
  CHECK(files->List("top.csv")[0].bytes == 5);
  CHECK(files->List("top.csv")[0].changed > 1'700'000'000'000'000);
}

TEST_CASE("content is read from any place, in any order, packed or not") {
  const TempDir dir;
  const std::string text = LongText();
  dir.Write("plain.csv", text);
  WriteGzip(dir / "packed.csv.gz", text);
  const auto files = MakeDiskReader(dir.path());
  for (const char* path : {"plain.csv", "packed.csv.gz"}) {
    CAPTURE(path);
    CHECK((Content(*files, path) == text));
    for (const std::uint64_t offset :
         {0U, 300'000U, 299'990U, 299'990U, 650'000U, 1U, 699'999U, 0U}) {
      for (const std::size_t most : {std::size_t{1}, std::size_t{10}, std::size_t{260'000}}) {
        CAPTURE(offset);
        CAPTURE(most);
        CHECK((Content(*files, path, offset, most) == text.substr(offset, most)));
      }
    }
    CHECK(Content(*files, path, text.size()).empty());
    CHECK(Content(*files, path, text.size() + 1'000).empty());
    CHECK((Content(*files, path, 5, 20) == text.substr(5, 20)));
  }
}

TEST_CASE("a file that changes on the disk is read as it is now") {
  const TempDir dir;
  const auto files = MakeDiskReader(dir.path());
  dir.Write("a.csv", "one");
  CHECK(Content(*files, "a.csv") == "one");
  dir.Write("a.csv", "another");
  CHECK(Content(*files, "a.csv") == "another");
  std::filesystem::remove(dir / "a.csv");
  CHECK(Content(*files, "a.csv") == "error: a.csv cannot be read: No such file or directory");
}

TEST_CASE("nothing outside the folder can be read or listed, by path or by link") {
  const TempDir dir;
  dir.Write("root/in/a.csv", "inside");
  dir.Write("root2/secret.csv", "outside");
  std::filesystem::create_symlink(dir / "root2/secret.csv", dir / "root/in/link.csv");
  std::filesystem::create_symlink(dir / "root2", dir / "root/linked");
  std::filesystem::create_symlink("a.csv", dir / "root/in/alias.csv");
  const auto files = MakeDiskReader(dir / "root");
  for (const std::string& path :
       {std::string("../root2/secret.csv"), std::string("in/../../root2/secret.csv"),
        std::string("in/link.csv"), std::string("linked/secret.csv"), dir / "root2/secret.csv"}) {
    CAPTURE(path);
    CHECK(Content(*files, path) ==
          "error: " + path + " cannot be read: it lies outside the state folder");
  }
  // Nothing of what lies there is named.
  CHECK(Paths(*files, "linked/*") == std::vector<std::string>{"linked/*"});
  CHECK(Paths(*files, "../root2/*") == std::vector<std::string>{"../root2/*"});
  // A link that stays inside is a file like any other; one that does not is named, so that reading
  // it says why.
  CHECK(Paths(*files, "in/*.csv") ==
        std::vector<std::string>{"in/a.csv", "in/alias.csv", "in/link.csv"});
  CHECK(Content(*files, "in/alias.csv") == "inside");
}

TEST_CASE("what is no file, damaged or not complete is an error that says so") {
  const TempDir dir;
  const auto files = MakeDiskReader(dir.path());
  dir.Write("folder/x", "");
  CHECK(Content(*files, "folder") == "error: folder cannot be read: it is not a file");
  REQUIRE(mkfifo((dir / "pipe.csv").c_str(), 0600) == 0);
  CHECK(Content(*files, "pipe.csv") == "error: pipe.csv cannot be read: it is not a file");
  CHECK(Paths(*files, "*.csv") == std::vector<std::string>{"pipe.csv"});
  CHECK(Content(*files, "nowhere/*.csv") ==
        "error: nowhere/*.csv cannot be read: there is no folder nowhere in the state folder");

  WriteGzip(dir / "whole.gz", LongText());
  std::string packed = ReadFile(dir / "whole.gz");
  dir.Write("half.gz", packed.substr(0, packed.size() / 2));
  CHECK(Content(*files, "half.gz") ==
        "error: half.gz cannot be read: the gzip data ends too early; is it still being copied?");
  packed[packed.size() / 2] = static_cast<char>(~packed[packed.size() / 2]);
  packed[packed.size() / 2 + 1] = static_cast<char>(~packed[packed.size() / 2 + 1]);
  dir.Write("damaged.gz", packed);
  CHECK(Content(*files, "damaged.gz")
            .starts_with("error: damaged.gz cannot be read: the gzip data is damaged: i"));
  CHECK(files->CheckWhole("damaged.gz").has_value());
  CHECK(files->CheckWhole("half.gz").has_value());
  CHECK_FALSE(files->CheckWhole("whole.gz").has_value());
  CHECK(Content(*files, "whole.gz") == LongText());
}

}  // namespace
}  // namespace segue
