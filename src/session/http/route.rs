//! What a path means.
//!
//! In: method, target and listener. Out: a [`Route`]. Never: looks anything up; whether a stream exists is
//! for the server to tell. The API and the streams have listeners of their own and share no path.

use crate::base::name::{DEFAULT_VHOST, StreamName};
use crate::config::{Http, Service};
use crate::session::http::api::Call;
use crate::wire::format::Container;
use crate::wire::http1::{Method, Target};
use crate::wire::m3u8::HlsFile;

/// The meaning of a request's target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The player page.
    Page,
    /// The list of live streams that the player page shows.
    LiveList,
    /// The icon of the player page.
    Icon,
    /// A live stream as an endless response.
    Play(StreamName, Container),
    /// A file of a packaged stream.
    File(StreamName, HlsFile),
    /// An endpoint of the API.
    Api(Call),
    /// No such path; holds a hint for the client.
    Nowhere(&'static str),
}

impl Route {
    /// Parses a target. `method` matters for the API only, where GET and DELETE of one path differ.
    pub fn of(service: Service, method: Method, target: &Target, http: &Http) -> Route {
        let mut segments: Vec<&str> = target.segments.iter().map(String::as_str).collect();
        if service == Service::Api {
            if segments.last() == Some(&"") {
                segments.pop();
            }
            if let ["api", "v1", "recorder", ..] = segments[..] {
                return Route::Nowhere(RECORDER_ELSEWHERE);
            }
            return Call::of(method, &segments, target).map_or(Route::Nowhere(NO_ENDPOINT), Route::Api);
        }
        match segments[..] {
            [""] | ["index.html"] if http.player => Route::Page,
            ["live.json"] if http.player => Route::LiveList,
            [""] | ["index.html"] | ["live.json"] => Route::Nowhere(NO_PLAYER),
            ["favicon.ico"] => Route::Icon,
            ["api", ..] => Route::Nowhere(API_ELSEWHERE),
            [ref app @ .., file] => media(app, file, target),
            [] => Route::Nowhere(NO_MEDIA),
        }
    }

    /// Methods that the path takes.
    pub fn allowed(&self) -> &'static [Method] {
        match self {
            Route::Api(call) => call.allowed(),
            _ => &[Method::Get, Method::Head, Method::Options],
        }
    }

    /// True if `method` is among [`Route::allowed`].
    pub fn allows(&self, method: Method) -> bool {
        self.allowed().contains(&method)
    }
}

/// `/{app}/{stream}.{extension}`, `/{app}/{stream}.m3u8`, and `/{app}/{stream}/{file}`.
fn media(app: &[&str], file: &str, target: &Target) -> Route {
    if let Some((stream, app)) = app.split_last()
        && !app.is_empty()
        && let Some(file) = HlsFile::parse(file)
    {
        return Route::File(name(app, stream, target), file);
    }
    let Some((stream, extension)) = file.rsplit_once('.') else {
        return Route::Nowhere(NO_MEDIA);
    };
    if app.is_empty() {
        return Route::Nowhere(NO_APP);
    }
    let name = name(app, stream, target);
    match Container::of_extension(extension) {
        Some(container) => Route::Play(name, container),
        None if extension == HlsFile::PLAYLIST_EXTENSION => Route::File(name, HlsFile::Master),
        None => Route::Nowhere(NO_MEDIA),
    }
}

/// The vhost is the value of `?vhost=`. The `Host` header is ignored, since one server has many names.
fn name(app: &[&str], stream: &str, target: &Target) -> StreamName {
    let vhost = target.param("vhost").unwrap_or_else(|| DEFAULT_VHOST.to_owned());
    StreamName { vhost, app: app.join("/"), stream: stream.to_owned() }
}

const NO_ENDPOINT: &str = "no such endpoint; /api/v1/ lists all endpoints";
const NO_PLAYER: &str = "the player page is turned off (setting http.player)";
const API_ELSEWHERE: &str = "the API has a port of its own (setting api.listen)";
const RECORDER_ELSEWHERE: &str = "the flight recorder has a port of its own (setting recorder.listen)";
const NO_APP: &str = "the path needs an application before the stream: /live/stream.flv";
const NO_MEDIA: &str = "no such path; try /app/stream followed by .flv, .ts, .aac, .mp3 or .m3u8";

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str) -> Route {
        Route::of(Service::Http, Method::Get, &Target::parse(path).unwrap(), &Http::default())
    }

    #[test]
    fn whatever_is_there_may_be_read_and_not_everything_changed() {
        let of = |service, path: &str| {
            Route::of(service, Method::Get, &Target::parse(path).unwrap(), &Http::default())
        };
        let routes = [
            of(Service::Http, "/"),
            of(Service::Http, "/live/cam.flv"),
            of(Service::Http, "/live/cam/index.m3u8"),
            of(Service::Api, "/api/v1/clients/x"),
        ];
        for route in routes {
            assert!(route.allows(Method::Get) && route.allows(Method::Options), "{route:?}");
            assert!(!route.allows(Method::Put) && !route.allows(Method::Patch), "{route:?}");
        }
    }

    #[test]
    fn extensions_tell_the_format() {
        let name = StreamName::new("live", "cam.1");
        assert_eq!(route("/live/cam.1.flv"), Route::Play(name.clone(), Container::Flv));
        assert_eq!(route("/live/cam.1.ts"), Route::Play(name.clone(), Container::Ts));
        assert_eq!(route("/live/cam.1.aac"), Route::Play(name.clone(), Container::Aac));
        assert_eq!(route("/live/cam.1.mp3"), Route::Play(name.clone(), Container::Mp3));
        assert_eq!(route("/live/cam.1.m3u8"), Route::File(name, HlsFile::Master));
        assert_eq!(route("/tv/hd/cam.flv?x=y"), Route::Play(StreamName::new("tv/hd", "cam"), Container::Flv));
    }

    #[test]
    fn files_of_a_stream_stand_below_it() {
        let name = StreamName::new("tv/hd", "cam");
        for file in ["index.m3u8", "seg-17.ts", "seg-0.m4s", "init-1.mp4", "key-3.key"] {
            let parsed = HlsFile::parse(file).unwrap();
            assert_eq!(route(&format!("/tv/hd/cam/{file}")), Route::File(name.clone(), parsed));
        }
        // Streams may be called like segments; they have only one step before them then.
        assert_eq!(route("/live/seg-1.ts"), Route::Play(StreamName::new("live", "seg-1"), Container::Ts));
        let master = Route::File(StreamName::new("live", "index"), HlsFile::Master);
        assert_eq!(route("/live/index.m3u8"), master);
        assert_eq!(
            route("/live/cam/seg-x.ts"),
            Route::Play(StreamName::new("live/cam", "seg-x"), Container::Ts)
        );
        assert_eq!(route("/live/cam/init-1.m4s"), Route::Nowhere(NO_MEDIA));
    }

    #[test]
    fn a_vhost_is_named_by_the_query() {
        let name = StreamName { vhost: "a.tv".into(), app: "live".into(), stream: "cam".into() };
        assert_eq!(route("/live/cam.flv?token=1&vhost=a.tv"), Route::Play(name, Container::Flv));
    }

    #[test]
    fn pages_can_be_switched_off() {
        assert_eq!(route("/"), Route::Page);
        assert_eq!(route("/live.json"), Route::LiveList);
        let off = Http { player: false, ..Http::default() };
        for path in ["/", "/live.json"] {
            let target = Target::parse(path).unwrap();
            assert_eq!(Route::of(Service::Http, Method::Get, &target, &off), Route::Nowhere(NO_PLAYER));
        }
        assert_eq!(route("/favicon.ico"), Route::Icon);
    }

    #[test]
    fn everything_else_is_nowhere() {
        assert_eq!(route("/cam.flv"), Route::Nowhere(NO_APP));
        assert_eq!(route("/api/v1/streams"), Route::Nowhere(API_ELSEWHERE));
        for path in ["/live", "/live/", "/live/cam", "/live/cam.webm", "/live/cam.flv/"] {
            assert_eq!(route(path), Route::Nowhere(NO_MEDIA), "{path}");
        }
        let extensions = Container::all().map(Container::extension).chain([HlsFile::PLAYLIST_EXTENSION]);
        for extension in extensions {
            assert!(NO_MEDIA.contains(&format!(".{extension}")), "{extension}");
        }
        let target = Target::parse("/live/cam.flv").unwrap();
        let api = Route::of(Service::Api, Method::Get, &target, &Http::default());
        assert_eq!(api, Route::Nowhere(NO_ENDPOINT));
        for path in ["/api/v1/recorder", "/api/v1/recorder/", "/api/v1/recorder/a.dacapo?x=y"] {
            let target = Target::parse(path).unwrap();
            let route = Route::of(Service::Api, Method::Get, &target, &Http::default());
            assert_eq!(route, Route::Nowhere(RECORDER_ELSEWHERE), "{path}");
        }
    }
}
