/** The reason phrases of HTTP (RFC 9110, section 15, and IANA's registry). A response over the socket does not include one. */

// From x00 on, and empty where a status has no phrase. The numbers of all statuses would fill much of client.js.
const PHRASES = [
  "OK,Created,Accepted,Non-Authoritative Information,No Content,Reset Content,Partial Content,Multi-Status,Already Reported," +
    ",,,,,,,,,,,,,,,,,IM Used",
  "Multiple Choices,Moved Permanently,Found,See Other,Not Modified,Use Proxy,,Temporary Redirect,Permanent Redirect",
  "Bad Request,Unauthorized,Payment Required,Forbidden,Not Found,Method Not Allowed,Not Acceptable,Proxy Authentication Required," +
    "Request Timeout,Conflict,Gone,Length Required,Precondition Failed,Content Too Large,URI Too Long,Unsupported Media Type," +
    "Range Not Satisfiable,Expectation Failed,I'm a Teapot,,,Misdirected Request,Unprocessable Content,Locked,Failed Dependency," +
    "Too Early,Upgrade Required,,Precondition Required,Too Many Requests,,Request Header Fields Too Large," +
    ",,,,,,,,,,,,,,,,,,,Unavailable For Legal Reasons",
  "Internal Server Error,Not Implemented,Bad Gateway,Service Unavailable,Gateway Timeout,HTTP Version Not Supported," +
    "Variant Also Negotiates,Insufficient Storage,Loop Detected,,Not Extended,Network Authentication Required",
].map((phrases) => phrases.split(","));

/** The phrase of a status from 200 to 599, or "" if there is no phrase. */
export const phraseOf = (status: number): string => PHRASES[Math.floor(status / 100) - 2]?.[status % 100] ?? "";
