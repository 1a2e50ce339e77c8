#include "daemon/web_server.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>
#include <type_traits>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <fmt/format.h>

#include "base/text.h"

namespace segue {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

// Whatever the head says.
constexpr std::size_t kBodyBytesMax = std::size_t{1} << 20U;
constexpr std::uint32_t kHeaderBytesMax = 16 * 1024;
// For who connected to say something …
constexpr auto kPatienceAtFirst = std::chrono::seconds(10);
// … for a body or a next request to arrive, and for a reply to be taken.
constexpr auto kPatience = std::chrono::seconds(30);
constexpr int kConnectionsMax = 512;
// Of one address, where strangers come to us themselves and not through a proxy.
constexpr int kConnectionsOfOneMax = 64;

// What a connection tells the server that it belongs to.
struct Shared {
  WebServer* server = nullptr;
  WebServer::BodyMax body_max;
  WebServer::Handler handler;
  // Touched on the server's thread only.
  int connections = 0;
  std::map<asio::ip::address, int> by_address;
};

// Whoever has one address of IPv6 has a whole network of them.
asio::ip::address NetworkOf(const asio::ip::address& address) {
  if (!address.is_v6() || address.to_v6().is_v4_mapped()) {
    return address;
  }
  asio::ip::address_v6::bytes_type bytes = address.to_v6().to_bytes();
  std::fill(bytes.begin() + bytes.size() / 2, bytes.end(), std::uint8_t{0});
  return asio::ip::address_v6(bytes);
}

bool IsLocal(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
  }
  return address.is_loopback();
}

WebRequest HeadOf(const http::request<http::string_body>& message) {
  WebRequest request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  for (const auto& field : message) {
    std::string& value = request.headers[ToLower(std::string(field.name_string()))];
    value += (value.empty() ? "" : ", ") + std::string(field.value());
  }
  return request;
}

// One connection; it lives as long as something is under way on it.
template <typename Stream>
class HttpConnection : public std::enable_shared_from_this<HttpConnection<Stream>> {
 public:
  HttpConnection(Stream stream, asio::ip::address peer, std::shared_ptr<Shared> shared)
      : stream_(std::move(stream)), peer_(std::move(peer)), shared_(std::move(shared)) {
    ++shared_->connections;
    ++shared_->by_address[NetworkOf(peer_)];
  }

  ~HttpConnection() {
    --shared_->connections;
    const auto of_one = shared_->by_address.find(NetworkOf(peer_));
    if (--of_one->second == 0) {
      shared_->by_address.erase(of_one);
    }
  }

  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  void Begin() {
    if constexpr (kIsTls) {
      Lowest().expires_after(kPatienceAtFirst);
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](const beast::error_code& error) {
                                if (!error) {
                                  self->Read();
                                }
                              });
    } else {
      Read();
    }
  }

 private:
  static constexpr bool kIsTls = !std::is_same_v<Stream, beast::tcp_stream>;

  beast::tcp_stream& Lowest() { return beast::get_lowest_layer(stream_); }

  void Read() {
    parser_.emplace();
    parser_->body_limit(kBodyBytesMax);
    parser_->header_limit(kHeaderBytesMax);
    Lowest().expires_after(is_first_ ? kPatienceAtFirst : kPatience);
    is_first_ = false;
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = this->shared_from_this()](const beast::error_code& error, std::size_t /*bytes*/) {
          self->OnHead(error);
        });
  }

  void OnHead(const beast::error_code& problem) {
    if (problem) {
      OnRead(problem);
      return;
    }
    request_ = HeadOf(parser_->get());
    request_.local = IsLocal(peer_);
    const std::size_t most = shared_->body_max(request_);
    if (parser_->content_length().value_or(0) > most) {
      request_.cut = true;
      HandOver(false);
      return;
    }
    parser_->body_limit(most);
    Lowest().expires_after(kPatience);
    http::async_read(
        stream_, buffer_, *parser_,
        [self = this->shared_from_this()](const beast::error_code& error, std::size_t /*bytes*/) {
          self->OnRead(error);
        });
  }

  void OnRead(const beast::error_code& error) {
    Understand(false);
    if (error == http::error::body_limit) {
      Write({.status = 413, .body = "too long a body\n"});
    } else if (error == http::error::header_limit) {
      Write({.status = 431, .body = "too long a head\n"});
    } else if (!error) {
      request_.body = std::move(parser_->get().body());
      HandOver(parser_->get().keep_alive());
    } else if (error != http::error::end_of_stream && error.category() == Malformed()) {
      Write({.status = 400, .body = "this is not HTTP\n"});
    } else {
      End();
    }
  }

  void Understand(bool keep_alive) {
    keep_alive_ = keep_alive;
    version_ = parser_->get().version() == 10 ? 10 : 11;
    head_ = parser_->get().method() == http::verb::head;
  }

  void HandOver(bool keep_alive) {
    Understand(keep_alive);
    Lowest().expires_never();  // It is our turn now.
    shared_->handler(*shared_->server, request_, [self = this->shared_from_this()](WebReply reply) {
      self->Write(std::move(reply));
    });
  }

  static const beast::error_category& Malformed() {
    return http::make_error_code(http::error::bad_method).category();
  }

  void Write(WebReply reply) {
    message_ = {static_cast<http::status>(reply.status), version_};
    message_.set(http::field::content_type, reply.type);
    message_.set("X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : reply.headers) {
      message_.set(name, value);
    }
    message_.keep_alive(keep_alive_);
    message_.body() = std::move(reply.body);
    message_.prepare_payload();
    if (head_) {
      message_.body().clear();  // The length stays that of what a GET would bring.
    }
    Lowest().expires_after(kPatience);
    http::async_write(
        stream_, message_,
        [self = this->shared_from_this()](const beast::error_code& error, std::size_t /*bytes*/) {
          if (!error && self->keep_alive_) {
            self->Read();
          } else {
            self->End();
          }
        });
  }

  void End() {
    beast::error_code ignored;
    if constexpr (kIsTls) {
      Lowest().expires_after(kPatience);
      stream_.async_shutdown(
          [self = this->shared_from_this()](const beast::error_code& /*error*/) {});
    } else {
      Lowest().socket().shutdown(tcp::socket::shutdown_send, ignored);
    }
  }

  Stream stream_;
  asio::ip::address peer_;
  std::shared_ptr<Shared> shared_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  WebRequest request_;
  http::response<http::string_body> message_;
  unsigned version_ = 11;
  bool is_first_ = true;
  bool keep_alive_ = false;
  bool head_ = false;
};

std::optional<std::string> UseCertificate(asio::ssl::context& context,
                                          const WebServer::Certificate& certificate) {
  beast::error_code error;
  context.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                      asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                      asio::ssl::context::no_tlsv1_1);
  context.use_certificate_chain(asio::buffer(certificate.chain), error);
  if (error) {
    return "serve.tls.cert is no certificate in PEM";
  }
  context.use_private_key(asio::buffer(certificate.key), asio::ssl::context::pem, error);
  if (error) {
    return "serve.tls.key is no key in PEM, or not the certificate's";
  }
  return std::nullopt;
}

}  // namespace

struct WebServer::Inner {
  asio::io_context io;
  tcp::acceptor acceptor{io};
  std::optional<asio::ssl::context> tls;
  std::shared_ptr<Shared> shared = std::make_shared<Shared>();
  std::thread thread;

  std::optional<std::string> Open(const std::string& address);
  void Accept();
  void Welcome(tcp::socket socket, const asio::ip::address& peer);
};

std::optional<std::string> WebServer::Inner::Open(const std::string& address) {
  beast::error_code error;
  const std::size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  if (host == "localhost") {
    host = "127.0.0.1";
  }
  const auto ip = asio::ip::make_address(host, error);
  const std::string why_not = "serve.listen: cannot listen at " + address + ": ";
  if (error) {
    return why_not + "write an address such as 127.0.0.1 and a port";
  }
  const tcp::endpoint endpoint(ip,
                               static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  acceptor.open(endpoint.protocol(), error);
  if (!error) {
    acceptor.set_option(asio::socket_base::reuse_address(true), error);
  }
  if (!error) {
    acceptor.bind(endpoint, error);
  }
  if (!error) {
    acceptor.listen(asio::socket_base::max_listen_connections, error);
  }
  return error ? std::optional(why_not + error.message()) : std::nullopt;
}

void WebServer::Inner::Accept() {
  acceptor.async_accept([this](const beast::error_code& error, tcp::socket socket) {
    if (!acceptor.is_open()) {
      return;
    }
    // Beyond the limit a connection is closed at once: whoever pushes tries again.
    if (!error && shared->connections < kConnectionsMax) {
      beast::error_code gone;
      const asio::ip::address peer = socket.remote_endpoint(gone).address();
      const auto of_one = shared->by_address.find(NetworkOf(peer));
      if (!gone &&
          (!tls || of_one == shared->by_address.end() || of_one->second < kConnectionsOfOneMax)) {
        Welcome(std::move(socket), peer);
      }
    }
    Accept();
  });
}

void WebServer::Inner::Welcome(tcp::socket socket, const asio::ip::address& peer) {
  if (tls) {
    using Stream = beast::ssl_stream<beast::tcp_stream>;
    std::make_shared<HttpConnection<Stream>>(Stream(beast::tcp_stream(std::move(socket)), *tls),
                                             peer, shared)
        ->Begin();
  } else {
    std::make_shared<HttpConnection<beast::tcp_stream>>(beast::tcp_stream(std::move(socket)), peer,
                                                        shared)
        ->Begin();
  }
}

WebServer::WebServer(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}

std::optional<std::string> WebServer::ProblemOf(const Certificate& certificate) {
  asio::ssl::context context(asio::ssl::context::tls_server);
  return UseCertificate(context, certificate);
}

Result<std::unique_ptr<WebServer>> WebServer::Listen(const std::string& address,
                                                     const std::optional<Certificate>& certificate,
                                                     BodyMax body_max, Handler handler) {
  auto inner = std::make_unique<Inner>();
  inner->shared->body_max = std::move(body_max);
  inner->shared->handler = std::move(handler);
  if (certificate) {
    inner->tls.emplace(asio::ssl::context::tls_server);
    if (std::optional<std::string> problem = UseCertificate(*inner->tls, *certificate)) {
      return Error(std::move(*problem));
    }
  }
  if (std::optional<std::string> problem = inner->Open(address)) {
    return Error(std::move(*problem));
  }
  std::unique_ptr<WebServer> server(new WebServer(std::move(inner)));
  Inner* const raw = server->inner_.get();
  raw->shared->server = server.get();
  raw->Accept();
  raw->thread = std::thread([raw] { raw->io.run(); });
  return server;
}

WebServer::~WebServer() {
  Stop();
}

void WebServer::Stop() {
  inner_->io.stop();
  if (inner_->thread.joinable()) {
    inner_->thread.join();
  }
}

void WebServer::Post(std::function<void()> work) {
  asio::post(inner_->io, std::move(work));
}

void WebServer::Later(Duration pause, std::function<void()> work) {
  auto timer = std::make_shared<asio::steady_timer>(inner_->io, pause);
  timer->async_wait([timer, work = std::move(work)](const beast::error_code& error) {
    if (!error) {
      work();
    }
  });
}

}  // namespace segue
