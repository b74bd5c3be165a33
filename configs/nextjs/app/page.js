export default function Page() {
  return (
    <p>
      Streams pass through <code>/api/py</code> (rewrites) and <code>/api/route</code> (a route handler).
    </p>
  );
}
