"use client";

import { useState } from "react";

export default function Page() {
  const [answer, setAnswer] = useState("");

  async function ask() {
    const response = await fetch("/api/chat");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      setAnswer((before) => before + read.value);
    }
  }

  return (
    <main>
      <button onClick={ask}>Ask</button>
      <pre>{answer}</pre>
    </main>
  );
}
