#include "proxy/http/site.h"

#include <gtest/gtest.h>

#include <map>

namespace usher::http {
namespace {

// Which of the routes takes a request; routes are named by what stands for their backend, which is
// only compared.
class Routed {
 public:
  void add(const std::string& host, const std::string& path, const std::string& backend) {
    settings_.routes.push_back({host, path, group(backend)});
  }
  void otherwise(const std::string& backend) { settings_.backend = group(backend); }

  std::string operator()(std::string_view authority, std::string_view target) const {
    const Site site(settings_);
    const auto& taken = site.backend_of(authority, target);
    for (const auto& [name, mark] : marks_) {
      if (taken.get() == mark.get()) {
        return name;
      }
    }
    return taken ? "?" : "redirect";
  }

 private:
  std::shared_ptr<backend::Group> group(const std::string& name) {
    auto& mark = marks_[name];
    if (!mark) {
      const auto own = std::make_shared<char>();
      mark = std::shared_ptr<backend::Group>(own, reinterpret_cast<backend::Group*>(own.get()));
    }
    return mark;
  }

  Site::Settings settings_;
  std::map<std::string, std::shared_ptr<backend::Group>> marks_;
};

TEST(Site, WithoutRoutesEverythingGoesOneWay) {
  Routed routed;
  EXPECT_EQ(routed("a.test", "/"), "redirect");
  routed.otherwise("web");
  EXPECT_EQ(routed("a.test", "/"), "web");
  EXPECT_EQ(routed("", "*"), "web");
}

TEST(Site, HostsAreComparedWithoutCaseAndPort) {
  Routed routed;
  routed.add("www.example", "", "www");
  routed.add("192.0.2.1", "", "address");
  for (const std::string_view host : {"www.example", "WWW.Example", "www.example:8443",
                                      "www.example:", "www.example.", "www.example.:443"}) {
    EXPECT_EQ(routed(host, "/"), "www") << host;
  }
  for (const std::string_view host :
       {"", "ww.example", "xwww.example", "a.www.example", "www.example.org", "example",
        "[::1]:443", "[2001:db8::1]", "www.example.."}) {
    EXPECT_EQ(routed(host, "/"), "redirect") << host;
  }
  EXPECT_EQ(routed("192.0.2.1:443", "/"), "address");
}

TEST(Site, AWildcardTakesAnyDepthButNotItself) {
  Routed routed;
  routed.add("*.example", "", "wild");
  EXPECT_EQ(routed("a.example", "/"), "wild");
  EXPECT_EQ(routed("A.B.Example:443", "/"), "wild");
  EXPECT_EQ(routed("example", "/"), "redirect");
  EXPECT_EQ(routed(".example", "/"), "redirect");
  EXPECT_EQ(routed("aexample", "/"), "redirect");
}

TEST(Site, TheMostSpecificHostWins) {
  Routed routed;
  routed.add("", "/", "any");
  routed.add("*.example", "", "short");
  routed.add("*.shop.example", "", "long");
  routed.add("a.shop.example", "", "exact");
  EXPECT_EQ(routed("a.shop.example", "/"), "exact");
  EXPECT_EQ(routed("b.shop.example", "/"), "long");
  EXPECT_EQ(routed("c.example", "/"), "short");
  EXPECT_EQ(routed("example", "/"), "any");
}

TEST(Site, TheHostDecidesBeforeThePath) {
  Routed routed;
  routed.otherwise("web");
  routed.add("", "/very/long/path", "path");
  routed.add("a.test", "", "host");
  EXPECT_EQ(routed("a.test", "/very/long/path"), "host");
  EXPECT_EQ(routed("b.test", "/very/long/path"), "path");
}

// A host whose paths do not match leaves the request to less specific routes.
TEST(Site, AHostWithoutItsPathFallsBack) {
  Routed routed;
  routed.otherwise("web");
  routed.add("a.test", "/api", "api");
  routed.add("*.test", "/img", "img");
  EXPECT_EQ(routed("a.test", "/api/x"), "api");
  EXPECT_EQ(routed("a.test", "/img/x"), "img");
  EXPECT_EQ(routed("a.test", "/"), "web");
}

TEST(Site, PathsMatchAtSegmentBorders) {
  Routed routed;
  routed.add("", "/api", "api");
  for (const std::string_view target : {"/api", "/api/", "/api/x", "/api?x=1", "/api/x?/y"}) {
    EXPECT_EQ(routed("a.test", target), "api") << target;
  }
  for (const std::string_view target :
       {"/apix", "/ap", "/", "/API", "/x/api", "*", "/apix?/api", "/%61pi", "/?/api"}) {
    EXPECT_EQ(routed("a.test", target), "redirect") << target;
  }
}

// What a backend would resolve to a path of another route is ambiguous; without routes by path it
// is the backend's own affair.
TEST(Site, PathsThatABackendReadsDifferentlyAreMisread) {
  Site::Settings settings;
  settings.routes.push_back({"a.test", "", nullptr});
  EXPECT_FALSE(Site(settings).misreads("/a/../b"));
  settings.routes.push_back({"", "/api/", nullptr});
  const Site site(settings);
  EXPECT_TRUE(site.misreads("/api/../x"));
  EXPECT_TRUE(site.misreads("/api/..?x"));
  EXPECT_FALSE(site.misreads("/api/x?/../y"));
  EXPECT_FALSE(site.misreads("*"));
}

TEST(Site, APathWithASlashTakesOnlyWhatIsBelow) {
  Routed routed;
  routed.add("", "/api/", "api");
  EXPECT_EQ(routed("a.test", "/api/"), "api");
  EXPECT_EQ(routed("a.test", "/api/x"), "api");
  EXPECT_EQ(routed("a.test", "/api"), "redirect");
  EXPECT_EQ(routed("a.test", "/api?/"), "redirect");
}

TEST(Site, TheLongestPathWins) {
  Routed routed;
  routed.add("", "/", "root");
  routed.add("", "/a/b", "long");
  routed.add("", "/a", "short");
  EXPECT_EQ(routed("a.test", "/a/b/c"), "long");
  EXPECT_EQ(routed("a.test", "/a/bc"), "short");
  EXPECT_EQ(routed("a.test", "/b"), "root");
}

TEST(Site, TrustsTheNetworksItWasTold) {
  Site::Settings settings;
  settings.trusted_proxies = {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("2001:db8::/32")};
  const Site site(std::move(settings));
  EXPECT_TRUE(site.trusts(*SocketAddress::parse("10.1.2.3:4")));
  EXPECT_TRUE(site.trusts(*SocketAddress::parse("[2001:db8::1]:4")));
  EXPECT_FALSE(site.trusts(*SocketAddress::parse("11.0.0.1:4")));
  EXPECT_FALSE(Site(Site::Settings()).trusts(*SocketAddress::parse("127.0.0.1:4")));
}

}  // namespace
}  // namespace usher::http
