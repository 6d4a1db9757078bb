// What is said while the page still works on the last: of two messages that wait only the later one stays. So all that was not heard is said again with it,
// numbered; the page heeds a number once, and says which it has come to (press.py). Numbers are times, as a component that is drawn anew goes on from them.
// What was said while there was no connection, or was on its way when it broke, is said again once it is back.
function saying(state, send, heard) {
  const left = Object.entries(state.unheard ?? {}).map(([event, told]) => [event, told.filter(([number]) => number > (heard[event] ?? 0))]);
  state.unheard = Object.fromEntries(left);
  const again = () => { for (const [event, told] of Object.entries(state.unheard)) if (told.length) send(event, told); };
  state.again = again;
  if (!state.back) {
    const app = document.querySelector(".stApp");
    state.back = new MutationObserver(() => { if (app.dataset.testConnectionState === "CONNECTED") state.again(); });
    if (app) state.back.observe(app, { attributeFilter: ["data-test-connection-state"] });
  }
  state.send = (event, value) => { send(event, value); again(); };
  state.say = (event, value) => {
    state.number = Math.max(Date.now(), (state.number ?? 0) + 1);
    (state.unheard[event] ??= []).push([state.number, value]);
    again();
  };
}
