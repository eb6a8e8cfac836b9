/* Threads that join the parts of final uploads: copying may take long, so HTTP threads don't, and there are few of
 * them. */
#include "upload/private.h"

#define THREADS 2
#define WAITING_MOST 64

struct join_job {
    struct join_job *next;
    void (*run)(void *arg);
    void *arg;
};

struct joiner {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    pthread_t threads[THREADS];
    int started, idle, waiting;
    struct join_job *first, **last;
    bool stopping;
};

struct joiner *joiner_new(void)
{
    struct joiner *j = mem_zalloc(sizeof *j);

    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->cond, NULL);
    j->last = &j->first;
    return j;
}

static void *joiner_run(void *joiner)
{
    struct joiner *j = joiner;

    pthread_mutex_lock(&j->lock);
    for (;;) {
        struct join_job *job = j->first;

        if (job) {
            if (!(j->first = job->next))
                j->last = &j->first;
            j->waiting--;
            pthread_mutex_unlock(&j->lock);
            job->run(job->arg);
            free(job);
            pthread_mutex_lock(&j->lock);
        } else if (j->stopping) {
            break;
        } else {
            j->idle++;
            pthread_cond_wait(&j->cond, &j->lock);
            j->idle--;
        }
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

bool joiner_add(struct joiner *j, void (*run)(void *arg), void *arg)
{
    bool taken;

    pthread_mutex_lock(&j->lock);
    if (!j->stopping && j->idle <= j->waiting && j->started < THREADS &&
        pthread_create(&j->threads[j->started], NULL, joiner_run, j) == 0)
        j->started++;
    taken = !j->stopping && j->started && j->waiting < WAITING_MOST;
    if (taken) {
        struct join_job *job = mem_zalloc(sizeof *job);

        *job = (struct join_job){NULL, run, arg};
        *j->last = job;
        j->last = &job->next;
        j->waiting++;
        pthread_cond_signal(&j->cond);
    }
    pthread_mutex_unlock(&j->lock);
    return taken;
}

bool joiner_stopping(struct joiner *j)
{
    pthread_mutex_lock(&j->lock);
    bool stopping = j->stopping;
    pthread_mutex_unlock(&j->lock);
    return stopping;
}

void joiner_stop(struct joiner *j)
{
    pthread_mutex_lock(&j->lock);
    j->stopping = true;
    pthread_cond_broadcast(&j->cond);
    pthread_mutex_unlock(&j->lock);
    for (int i = 0; i < j->started; i++)
        pthread_join(j->threads[i], NULL);
    j->started = 0;
}

void joiner_free(struct joiner *j)
{
    if (!j)
        return;
    joiner_stop(j);
    pthread_cond_destroy(&j->cond);
    pthread_mutex_destroy(&j->lock);
    free(j);
}
